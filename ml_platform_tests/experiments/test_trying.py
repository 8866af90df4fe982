"""An experiment computes only what changed, compares on the same holdout, and changes nothing of its pipeline (S46)."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from ml_platform.discovery import slices_of
from ml_platform.errors import BlobError, NotFoundError, OrderError, TrainingError
from ml_platform.evaluation.metrics import metric
from ml_platform.experiments import trying
from ml_platform.experiments.changing import variants
from ml_platform.experiments.trying import Request
from ml_platform.lake.transaction import Author
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.runtime.retention import maintain
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import annotations, experiments, ledger, versions
from ml_platform.state.experiment_tables import experiments as experiments_table
from ml_platform.state.schema import metadata
from ml_platform.training import training_set as training_sets
from ml_platform.views.run_comparison import run_of
from ml_platform_tests import scenario
from ml_platform_tests.experiments.conftest import Bench
from ml_platform_tests.faults import lake_contents

OF_EXPERIMENTS = {"experiments", "experiment_details", "experiment_notes", "experiment_outputs", "experiment_uses"}


def everything(settings: Settings) -> dict[str, Any]:
    """All that the platform holds but records of experiments: rows of the state, tables of the lake, files."""
    engine = sa.create_engine(f"sqlite:///{settings.lake}/state.sqlite")
    with engine.connect() as connection:
        names = [name for name in metadata.tables if name not in OF_EXPERIMENTS]
        rows = {name: connection.execute(sa.select(metadata.tables[name])).all() for name in names}
    engine.dispose()
    workspace = Workspace.open_for_reading(settings, {})
    tables = lake_contents.checksums(workspace.lake), workspace.lake.rows("FROM lake.snapshots()")
    workspace.close()
    files = {
        str(path.relative_to(settings.data)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in settings.data.rglob("*")
        if path.is_file() and "lake/locks" not in str(path) and path.suffix not in (".lock",)
        if not path.name.startswith(("state.sqlite", "catalog.sqlite", "write."))  # compared by rows; the lock
    }
    return {"rows": rows, "tables": tables, "files": files}


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is another than before, and which files are gone. New blobs are the experiment's own."""
    parts = [name for name in ("rows", "tables") if before[name] != after[name]]
    return parts + [name for name, what in before["files"].items() if after["files"].get(name) != what]


def test_an_experiment_that_changes_the_trainer_reuses_the_training_set_and_the_second_time_everything(
    bench: Bench,
) -> None:
    first = bench.attempt("trainer.num_leaves=5")
    assert bench.stages == ["training", "comparing"]
    own = versions.version(bench.ws.state, "trip_delay", 2)
    assert first.experiment.training_set == own.training_set
    assert (first.experiment.status, first.experiment.champion) == ("done", 2)
    again = bench.attempt("trainer.num_leaves=5", request=Request(note="once more", tags=("leaves",)))
    assert bench.stages == [] and again.reused and again.experiment.id == first.experiment.id
    assert again.experiment.tags == ("leaves",)
    assert [note.text for note in annotations.notes(bench.ws.state, first.experiment.id)] == ["once more"]


def test_what_is_unchanged_is_the_version_that_the_pipeline_trained(bench: Bench) -> None:
    tried = bench.attempt().experiment
    own = versions.version(bench.ws.state, "trip_delay", 2)
    assert bench.stages == ["comparing"]
    assert (tried.training_key, tried.bundle, tried.difference) == (own.content_key, own.bundle, 0.0)


def test_the_comparison_is_that_of_both_models_on_the_same_rows(bench: Bench) -> None:
    one = bench.attempt("trainer.rounds=3").experiment
    champion = versions.version(bench.ws.state, "trip_delay", 2)
    rows = pl.read_parquet(bench.ws.blobs.get(one.training_set)).filter(_part="holdout")
    values = [
        metric("roc_auc", rows["_label"], Predictor(load(bench.ws.blobs, bundle)).scores(rows))
        for bundle in (one.bundle, champion.bundle)
    ]
    assert one.value == values[0] and one.difference == pytest.approx(values[0] - values[1])
    assert one.low is not None and one.high is not None and one.low <= one.difference <= one.high
    details = experiments.details(bench.ws.state, one.id)
    segments = {row["slice"]: row["rows"] for row in details.comparisons if row["slice"]}
    assert segments == {f"zone={zone}": len(part) for (zone,), part in sorted(rows.group_by("zone"))}
    outcomes = {row["gate"]: row["outcome"] for row in details.verdicts if not row["slice"]}
    assert outcomes["roc_auc at least 0.6"] in ("passed", "failed")
    assert outcomes["training again gives the same bytes"] == "not measured"


def test_a_dropped_feature_needs_no_new_training_set_and_another_split_needs_one(bench: Bench) -> None:
    dropped = bench.attempt(drop=("traffic__*",)).experiment
    assert bench.stages == ["training", "comparing"]
    assert "traffic__jam" not in load(bench.ws.blobs, dropped.bundle).columns
    assert dropped.difference is not None
    split = bench.attempt("split.holdout=6d").experiment
    assert bench.stages == ["training set", "training", "comparing"]
    assert split.training_set != dropped.training_set and split.difference is not None
    bench.attempt("split.holdout=6d", "trainer.rounds=4")
    assert bench.stages == ["training", "comparing"], "the training set of the experiment before serves again"


def test_changed_features_are_computed_beside_the_table_once(bench: Bench) -> None:
    tried = bench.attempt("features.traffic.max_age=2h", request=Request("2024-01")).experiment
    assert bench.stages == ["features 2024-01", "training set", "training", "comparing"]
    assert tried.difference is not None, "the champion is scored with its own features"
    bench.attempt("features.traffic.max_age=2h", "split.holdout=7d", request=Request("2024-01"))
    assert bench.stages == ["training set", "training", "comparing"]


@pytest.mark.slow
def test_an_experiment_has_the_bytes_that_the_pipeline_would_have_with_its_declaration(
    bench: Bench, open_world: Callable[..., Any]
) -> None:
    tried = bench.attempt("features.traffic.max_age=2h", request=Request("2024-01")).experiment
    (variant,) = variants(scenario.trips(), ["features.traffic.max_age=2h"])
    world = open_world(None, variant.model)
    world.land_trips("2024-01", "2024-02")
    world.run("2024-01")
    own = versions.version(world.ws.state, "trip_delay", 1)
    assert (tried.training_set, tried.training_key) == (own.training_set, own.content_key)
    assert tried.bundle == own.bundle


def test_another_label_is_learnt_and_not_compared(bench: Bench) -> None:
    (variant,) = variants(bench.base, values={"examples.label": pl.col("late") > 5})
    tried = trying.attempt(bench.ws, bench.base, variant, Request(), bench.stages.append).experiment
    assert (tried.status, tried.difference) == ("done", None)
    details = experiments.details(bench.ws.state, tried.id)
    assert details.comparisons == [] and "another label" in details.why_incomparable
    outcomes = {v["gate"]: v["outcome"] for v in details.verdicts}
    assert [outcome for gate, outcome in outcomes.items() if "champion" in gate] == ["not measured"]


def test_every_gate_is_measured_on_request(bench: Bench) -> None:
    tried = bench.attempt("trainer.rounds=5", request=Request(every_gate=True)).experiment
    outcomes = {v["gate"]: v["outcome"] for v in experiments.details(bench.ws.state, tried.id).verdicts}
    assert outcomes["training again gives the same bytes"] == "passed"
    assert [outcome for gate, outcome in outcomes.items() if "replayed" in gate] == ["passed"]
    assert "not measured" not in outcomes.values()


def test_nothing_of_the_pipeline_changes_whether_an_experiment_ends_fails_or_is_interrupted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(bench.ws.settings)
    for settings, drop in (
        (("trainer.num_leaves=5",), ()),
        (("split.holdout=6d",), ("km",)),
        (("features.traffic.max_age=2h",), ()),
    ):
        assert bench.attempt(*settings, drop=drop).experiment.status == "done"
    with pytest.raises(TrainingError):
        bench.attempt("trainer.extra.no_such_parameter=1")
    assert experiments.of(bench.ws.state)[0].status == "failed"
    assert "no_such_parameter" in experiments.of(bench.ws.state)[0].error
    with monkeypatch.context() as patched:

        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr(trying.fitting, "make", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.attempt("trainer.num_leaves=6")
    assert experiments.of(bench.ws.state)[0].status == "interrupted"
    assert changed(before, everything(bench.ws.settings)) == []


_KILLED = """
import sys
from pathlib import Path
from ml_platform.discovery import slices_of
from ml_platform.experiments import trying
from ml_platform.experiments.changing import variants
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform_tests import scenario
def hangs(*_, **__):
    print("training", flush=True)
    sys.stdin.read()
trying.fitting.make = hangs
base = scenario.trips()
ws = Workspace.open_for_reading(Settings(data=Path(sys.argv[1]), threads=1), slices_of([base]), records=True)
trying.attempt(ws, base, variants(base, ["split.holdout=5d"])[0], trying.Request(), lambda _: None)
"""


def test_a_killed_experiment_is_interrupted_changes_nothing_and_the_next_goes_on(bench: Bench) -> None:
    from ml_platform.views.runs import run_rows

    before = everything(bench.ws.settings)
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(bench.ws.settings.data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "training\n"
    (row,) = [row for row in run_rows(bench.ws.state, "trip_delay") if row["kind"] == "experiment"]
    assert row["status"] == "running"
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    (row,) = [row for row in run_rows(bench.ws.state, "trip_delay") if row["kind"] == "experiment"]
    assert row["status"] == "interrupted"
    assert changed(before, everything(bench.ws.settings)) == []
    bench.attempt("split.holdout=5d")
    assert bench.stages == ["training", "comparing"], "the training set was finished before the kill"
    assert [one.status for one in experiments.of(bench.ws.state)] == ["done", "interrupted"]


def test_maintenance_keeps_what_experiments_use_and_removes_what_removed_ones_left(bench: Bench) -> None:
    from datetime import timedelta

    kept = bench.attempt("split.holdout=6d").experiment
    gone = bench.attempt("split.holdout=5d").experiment
    alike = bench.attempt("split.holdout=6d", "trainer.rounds=4").experiment
    state, blobs = bench.ws.state, bench.ws.blobs
    experiments.remove(state, gone.id)
    experiments.remove(state, alike.id)
    assert json.loads(json.dumps([one.id for one in experiments.of(state)])) == [kept.id]
    writer = Workspace.open(bench.ws.settings, {})
    own = {blob for one in versions.versions(state, "trip_delay") for blob in (one.training_set, one.bundle)}
    maintain(writer, keep_days=7, grace=timedelta(0))
    writer.close()
    assert all(blobs.whole(digest) for digest in (kept.training_set, kept.bundle, kept.base_declaration, *own))
    assert not blobs.path(gone.training_set).exists() and not blobs.path(gone.bundle).exists()
    assert not blobs.path(alike.bundle).exists()


def test_maintenance_keeps_the_model_that_a_running_experiment_took_from_one_that_is_removed_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from ml_platform.experiments import results

    earlier = bench.attempt("split.holdout=6d", "trainer.rounds=4").experiment
    judged = results.stored_candidate

    def judged_after_maintenance(*arguments: Any, **named: Any) -> Any:
        experiments.remove(bench.ws.state, earlier.id)
        with closing(Workspace.open(bench.ws.settings, {})) as writer:
            maintain(writer, keep_days=7, grace=timedelta(0))
        return judged(*arguments, **named)

    monkeypatch.setattr(results, "stored_candidate", judged_after_maintenance)
    request = Request(by=("zone", "km"))
    tried = bench.attempt("split.holdout=6d", "trainer.rounds=4", request=request).experiment
    assert bench.stages == ["comparing"], "nothing was trained again"
    assert (tried.status, tried.bundle, tried.training_set) == ("done", earlier.bundle, earlier.training_set)
    assert all(bench.ws.blobs.whole(digest) for digest in (tried.bundle, tried.training_set))


def test_an_experiment_that_fails_after_its_training_keeps_no_model(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_platform.experiments import results

    def fails(*_: Any, **__: Any) -> None:
        raise BlobError("lost", remedy="none")

    monkeypatch.setattr(results, "curves_of", fails)
    with pytest.raises(BlobError):
        bench.attempt("trainer.rounds=4")
    (one,) = experiments.of(bench.ws.state)
    assert (one.status, one.bundle, one.training_set) == ("failed", "", "")


def test_a_run_whose_declaration_is_lost_says_what_helps(bench: Bench) -> None:
    one = bench.attempt("trainer.rounds=4").experiment
    blob = bench.ws.blobs.path(one.base_declaration)
    blob.rename(blob.with_suffix(".away"))
    with pytest.raises(BlobError, match="declaration that experiment 1 changed cannot be read") as lost:
        run_of(bench.ws.state, bench.ws.blobs, "1")
    assert "ml-platform runs remove 1" in lost.value.remedy
    assert bench.attempt("trainer.rounds=4").reused, "another look at it computes nothing"
    experiments.remove(bench.ws.state, one.id)
    again = bench.attempt("trainer.rounds=4").experiment
    assert run_of(bench.ws.state, bench.ws.blobs, str(again.id)).declaration


def test_data_that_a_run_changes_meanwhile_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    built = training_sets.build

    def build_while_a_run_ends(*arguments: Any, **named: Any) -> Any:
        made = built(*arguments, **named)
        newest = ledger.latest_of(bench.ws.state, "trip_delay/features", "2024-02")
        assert newest is not None
        author = Author("trip_delay/features", "2024-02", "another key")
        ledger.record(bench.ws.state, author, rows=newest.rows, result=newest.result)
        return made

    monkeypatch.setattr(training_sets, "build", build_while_a_run_ends)
    with pytest.raises(OrderError, match="changed the data while the experiment read them"):
        bench.attempt("split.holdout=4d")
    assert experiments.of(bench.ws.state)[0].training_set == ""


def test_a_pipeline_without_partitions_is_tried_on_all_of_its_data(trained_churn: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_churn, tmp_path / "data")
    base = scenario.churn()
    settings = Settings(data=tmp_path / "data", threads=1, lock_timeout=20)
    with closing(Workspace.open_for_reading(settings, slices_of([base]), records=True)) as ws:
        stages: list[str] = []
        (variant,) = variants(base, ["trainer.num_leaves=5"])
        tried = trying.attempt(ws, base, variant, Request(), stages.append).experiment
    assert stages == ["training", "comparing"] and tried.partition == "all"
    assert tried.champion == 1 and tried.difference is not None


def test_a_partition_that_the_pipeline_did_not_reach_is_refused(bench: Bench) -> None:
    with pytest.raises(OrderError, match="did not run through 2024-05"):
        bench.attempt(request=Request("2024-05"))
    with pytest.raises(NotFoundError, match="'zones'"):
        bench.attempt(request=Request(by=("zones",)))
    assert experiments.of(bench.ws.state) == []


@pytest.mark.slow
def test_thirty_thousand_runs_are_listed_filtered_and_compared_at_once(bench: Bench) -> None:
    from ml_platform.views.run_comparison import differences
    from ml_platform.views.run_selection import grouped, selected

    one = bench.attempt("trainer.num_leaves=5").experiment
    state = bench.ws.state
    with state.writing() as connection:
        row = dict(connection.execute(sa.select(experiments_table)).mappings().one())
        del row["id"]
        many = [{**row, "content_key": str(index), "training_set": f"{index % 40:064}"} for index in range(30_000)]
        connection.execute(sa.insert(experiments_table), many)
    began = time.process_time()
    chosen = selected(state, "trip_delay", ["num_leaves>4", "status=done"], "-roc_auc", 50)
    groups = grouped(chosen.rows)
    lines = differences(run_of(state, bench.ws.blobs, str(one.id)), run_of(state, bench.ws.blobs, "30000"))
    took = time.process_time() - began
    assert (chosen.matching, chosen.recorded, len(chosen.rows)) == (30_001, 30_003, 50) and len(groups) > 1 and lines
    assert took < 1  # CPU seconds; 0.4 where nothing else runs
