"""Experiments whose records and catalog are in PostgreSQL: the same flow, and lists of many of them."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_platform.discovery import slices_of
from ml_platform.errors import NotFoundError
from ml_platform.experiments.trying import Request
from ml_platform.runtime.retention import maintain
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import annotations, experiments, promotions, run_exports, versions
from ml_platform.state.experiment_tables import experiments as experiments_table
from ml_platform.state.run_exports import RunExport
from ml_platform.views import runs
from ml_platform.views.run_comparison import differences, run_of, with_curves
from ml_platform.views.run_selection import selected
from ml_platform_tests import scenario
from ml_platform_tests.experiments.conftest import Bench
from ml_platform_tests.postgres_server import new_database, postgres_server
from ml_platform_tests.world import World

# Slow: they need PostgreSQL's server programs, which a plain `make test` does not ask for.
pytestmark = pytest.mark.slow


@pytest.fixture
def on_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The platform that ran through February, on a PostgreSQL catalog."""
    base = scenario.trips()
    with postgres_server() as port:
        monkeypatch.setenv("ML_PLATFORM_CATALOG", new_database(port, "experiments"))
        settings = Settings(data=tmp_path / "data", threads=1, lock_timeout=20)
        with closing(World(settings, [base])) as world:
            world.land_trips("2024-01", "2024-02", "2024-03")
            world.run("2024-01")
            world.run("2024-02")
        with closing(Workspace.open_for_reading(settings, slices_of([base]), records=True)) as ws:
            yield Bench(ws, base)


def test_experiments_are_made_compared_listed_and_maintained_on_postgresql(on_postgres: Bench) -> None:
    bench, state = on_postgres, on_postgres.ws.state
    champion = promotions.champion_at(state, "trip_delay")
    first = bench.attempt("trainer.num_leaves=5", request=Request(note="fewer", tags=("small",))).experiment
    assert bench.stages == ["training", "comparing"] and first.status == "done" and first.low is not None
    assert bench.attempt("trainer.num_leaves=5").reused
    split = bench.attempt("split.holdout=6d").experiment
    assert bench.stages == ["training set", "training", "comparing"]
    bench.attempt("features.traffic.max_age=2h", request=Request("2024-01"))
    assert bench.stages == ["features 2024-01", "training set", "training", "comparing"]
    assert promotions.champion_at(state, "trip_delay") == champion and len(versions.versions(state, "trip_delay")) == 2

    assert [note.text for note in annotations.notes(state, first.id)] == ["fewer"]
    chosen = selected(state, "trip_delay", ["num_leaves=5", "tags=small"], "-roc_auc")
    assert [row["run"] for row in chosen.rows] == [str(first.id)] and chosen.recorded == 5
    assert {row["run"] for row in selected(state, "trip_delay", ["num_leaves!=5"]).rows} == {
        row["run"] for row in runs.run_rows(state, "trip_delay") if row["parameters"].get("num_leaves") != 5
    }
    with pytest.raises(NotFoundError, match="num_leaves"):
        selected(state, "trip_delay", ["num_leafs=5"])
    pair = [with_curves(bench.ws.blobs, run_of(state, bench.ws.blobs, name)) for name in ("1", "trip_delay@2")]
    assert differences(*pair) and pair[0].curves.keys() == pair[1].curves.keys()
    run_exports.record(state, RunExport("http://there", "1", "abc", "", "gone"))
    assert run_exports.of_server(state, "http://there")["1"].error == "gone"

    experiments.remove(state, split.id)
    with closing(Workspace.open(bench.ws.settings, {})) as writer:
        maintain(writer, keep_days=7, grace=timedelta(0))
    assert bench.ws.blobs.whole(first.bundle) and not bench.ws.blobs.path(split.bundle).exists()


def test_thirty_thousand_runs_are_chosen_at_once_on_postgresql(on_postgres: Bench) -> None:
    state = on_postgres.ws.state
    on_postgres.attempt("trainer.num_leaves=5")
    with state.writing() as connection:
        row = dict(connection.execute(sa.select(experiments_table)).mappings().one())
        del row["id"]
        connection.execute(sa.insert(experiments_table), [{**row, "content_key": str(n)} for n in range(30_000)])
    began = time.process_time()
    chosen = selected(state, "trip_delay", ["num_leaves>4", "status=done"], "-roc_auc", 50)
    assert (chosen.matching, len(chosen.rows)) == (30_001, 50)
    assert time.process_time() - began < 1  # CPU seconds of this process
