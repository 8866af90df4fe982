"""Each awkward column is what it means, and a real run refuses just the rows that the draft says it will."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.authoring.formatting import formatted
from ml_platform.sources.landing import land
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.validation import quarantine
from ml_platform_tests.authoring.awkward_files import AWKWARD, ROWS
from ml_platform_tests.authoring.draft_from_file import draft_from_file
from ml_platform_tests.world import world


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[object]:
    """A function that imports the text of a draft as a module and gives its pipeline."""
    names = []

    def load(text: str) -> ModelPipeline:
        file = tmp_path / "drafted_module.py"
        file.write_text(formatted(text, file, "drafted_module"))
        spec = importlib.util.spec_from_file_location("drafted_module", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        names.append(spec.name)
        spec.loader.exec_module(module)
        pipeline: ModelPipeline = module.draft
        return pipeline

    yield load
    for name in names:
        del sys.modules[name]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_column_means_what_it_means(name: str, tmp_path: Path) -> None:
    one = AWKWARD[name]
    draft = draft_from_file(one.make(tmp_path), "answer")
    assert {column: draft.column(column).kind for column in one.kinds} == one.kinds
    assert draft.draft.roles.at is not None and draft.proof.pipeline.split.timed
    assert sum(draft.proof.refused.values()) == one.refused, draft.proof.refused


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if AWKWARD[name].refused else pytest.mark.slow) for name in AWKWARD]
)
def test_the_run_refuses_what_the_draft_says(name: str, tmp_path: Path, loaded: object) -> None:
    one = AWKWARD[name]
    file = one.make(tmp_path)
    pipeline = loaded(draft_from_file(file, "answer").text)  # type: ignore[operator]  # the fixture's function
    (table,) = pipeline.tables
    with closing(world(tmp_path / "data", pipeline)) as here:
        land(here.settings, table, [file])
        here.step(f"raw/{table.name}", WHOLE)
        partitions = pipeline.partitions.keys() if pipeline.partitions else [WHOLE]
        outcomes = [here.step(f"validated/{table.name}", partition) for partition in partitions]
        refused = sum(count.rows for count in quarantine.counts(here.ws.lake, table))
        assert refused == one.refused and sum(outcome.rows for outcome in outcomes) == ROWS - refused
