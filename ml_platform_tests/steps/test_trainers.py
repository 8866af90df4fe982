"""Pipelines of other trainers: trained, judged, promoted, served and packaged as those of LightGBM are."""

import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform import Calibrated, Choose, LightGBM, Linear, ScikitLearn, XGBoost
from ml_platform.errors import ServingError
from ml_platform.models.bundle import load
from ml_platform.serving.packaged.model import PackagedModel
from ml_platform.serving.packaging import onnx, wheel
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.state import verdicts, versions
from ml_platform.state.promotions import champion_at
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.serving.packages import champion, february_rows, predictor, unpack
from ml_platform_tests.world import world

_TREES = XGBoost(max_depth=3, rounds=20, early_stopping=5)


@pytest.mark.parametrize(
    ("trainer", "model_format", "libraries"),
    [
        pytest.param(_TREES, "xgboost-ubjson", {"xgboost-cpu", "polars"}, id="XGBoost"),
        pytest.param(
            ScikitLearn("sklearn.ensemble.HistGradientBoostingClassifier", max_iter=20),
            "sklearn-skops",
            {"scikit-learn", "skops", "numpy", "scipy", "polars"},
            id="ScikitLearn",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Calibrated(Choose([LightGBM(rounds=1, learning_rate=0.01), Linear()]), "isotonic"),
            "calibrated-linear-json",
            {"numpy", "polars"},
            id="Calibrated",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_candidate_passes_every_gate_serves_and_is_packaged(
    trainer: DeclaredTrainer, model_format: str, libraries: set[str], tmp_path: Path
) -> None:
    with closing(world(tmp_path / "data", scenario.trips(trainer=trainer))) as trips:
        trips.land_trips("2024-01", "2024-02")
        trips.run()
        name = trips.pipeline.name
        judged = [verdict for verdict in verdicts.of(trips.ws.state, name, 1) if verdict.slice == ""]
        assert [verdict.detail for verdict in judged if not verdict.passed] == []
        assert any("same bytes" in verdict.gate for verdict in judged) and champion_at(trips.ws.state, name)
        version = versions.version(trips.ws.state, name, 1)
        assert load(trips.ws.blobs, version.bundle).model_format == version.metrics["format"] == model_format
        assert libraries - {"polars"} <= set(version.environment["libraries"])
        card = card_of(trips.ws, trips.pipeline, 1)
        assert all(f"| {parameter} |" in card for parameter in version.parameters)
        assert trips.run() == []

        packaged = champion(trips)
        built = wheel.build(packaged, tmp_path)
        with zipfile.ZipFile(built.path) as archive:
            metadata = next(archive.read(file) for file in archive.namelist() if file.endswith("METADATA")).decode()
        required = {
            line.partition(": ")[2].partition("==")[0] for line in metadata.splitlines() if "Requires-D" in line
        }
        assert required == libraries
        online, rows = predictor(trips, tmp_path), february_rows(trips, 20).to_dicts()
        own = [online.predict(row) for row in rows]
        looked_up = [column for form in online.definition.joined for column in form.outputs]
        state = [{column: answer.features[column] for column in looked_up} for answer in own]
        alone = PackagedModel(unpack(packaged, tmp_path / "wheel") / f"{name}_model").predict(rows, state)
        assert [answer.score for answer in alone] == [answer.score for answer in own]
        with pytest.raises(ServingError, match=f"a {model_format} model; only plain LightGBM trees become ONNX"):
            onnx.build(packaged, tmp_path)
