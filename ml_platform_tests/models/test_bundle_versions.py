"""A bundle made with the polars of today is read by another polars (S15)."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.models.predictor import Predictor
from ml_platform.settings import Settings
from ml_platform.spec.features import Derived
from ml_platform.training import fitting, training_set
from ml_platform_tests.scenario import labelled_trips

OLDER = "1.30.0"
_READ = """
import json, sys
import polars as pl
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.blobs import Blobs
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.settings import Settings
from ml_platform.spec.expression_rules import computed

bundle = load(Blobs(Settings()), sys.argv[1])
definition = FeatureDefinition.from_json(bundle.definition)
rows = pl.read_parquet(sys.argv[2])
for form in definition.derived:
    rows = rows.with_columns(computed(form.expression, definition.schema).value.alias(form.name))
scores = Predictor(bundle).scores(rows)
print(json.dumps([pl.__version__, definition.to_json() == bundle.definition, [s.hex() for s in scores.tolist()]]))
"""


@pytest.mark.slow
def test_an_older_polars_reads_a_bundle_computes_its_features_and_scores_alike_s15(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    blobs = Blobs(settings)
    derived = Derived(
        hour=pl.col("at").dt.convert_time_zone("Europe/Oslo").dt.hour(),
        far=pl.when(pl.col("km") > 10).then(pl.col("km").log1p()).otherwise(None),
        place=pl.concat_str([pl.col("city").fill_null("?"), pl.col("rush").cast(pl.String)], separator="/"),
        south=pl.col("city").is_in(["rome", "graz"]),
    )
    pipeline = labelled_trips.pipeline(features=(derived,))
    definition = FeatureDefinition.of(pipeline).to_json()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows())
    stored = training_set.build(
        lake,
        blobs,
        pipeline,
        label_rows=labelled_trips.with_path("trips"),
        decided_at=labelled_trips.D,
        partitions_upto=labelled_trips.MONTHS,
    )
    fitted = fitting.make(blobs, pipeline, stored, definition)
    holdout = pl.read_parquet(blobs.path(stored.digest)).filter(pl.col("_part") == "holdout")
    inputs = tmp_path / "inputs.parquet"
    holdout.select(*pipeline.row_schema).write_parquet(inputs)

    home = tmp_path / "older"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / "bin" / "python"
    wanted = [
        f"polars=={OLDER}",
        "dataframely<2",
        "pydantic",
        "pydantic-settings",
        "lightgbm",
        "filelock",
        "duckdb",
        "pyarrow",
    ]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    done = subprocess.run(
        [python, "-c", _READ, fitted.digest, inputs],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, same, scores = json.loads(done.stdout.splitlines()[-1])
    assert (version, same) == (OLDER, True)
    assert scores == [float(score).hex() for score in Predictor(fitted.bundle).scores(holdout)]
