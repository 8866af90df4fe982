"""What `maintain` forgets of Dagster's history, and what it never forgets."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml
from filelock import FileLock

from ml_platform.orchestration import alive
from ml_platform.orchestration.history import Forgotten, forget_history
from ml_platform.orchestration.home_faults import DagsterHomeFault, home_faults_explained
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.settings import Settings
from ml_platform_tests import scenario
from ml_platform_tests.orchestration.dagster_dev import CONFIG

TRIPS = scenario.trips()
KEY = dg.AssetKey(["trips", "table"])
LATER = datetime.now(UTC) + timedelta(days=100)


@dg.asset(
    key=KEY,
    partitions_def=dg.StaticPartitionsDefinition(["a", "b"]),
    check_specs=[dg.AssetCheckSpec("whole", asset=KEY)],
)
def table():
    yield dg.MaterializeResult(metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True)])


JOB = dg.define_asset_job("trips_data", [table], tags={PIPELINE_TAG: "trips"})
FOREIGN = dg.define_asset_job("theirs", [table])
DEFINITIONS = dg.Definitions([table], jobs=[JOB, FOREIGN], executor=dg.in_process_executor)


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DAGSTER_HOME, with the project's event log, or Dagster's own where a test asks for "dagster's"."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    ours = {"event_log_storage": yaml.safe_load(CONFIG.read_text())["event_log_storage"]}
    (tmp_path / "home").mkdir()
    config = {"telemetry": {"enabled": False}, **(ours if getattr(request, "param", "ours") == "ours" else {})}
    (tmp_path / "home" / "dagster.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "home"


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as opened:
        yield opened


def run(instance: dg.DagsterInstance, partition: str, job: str = "trips_data") -> str:
    done = DEFINITIONS.resolve_job_def(job).execute_in_process(instance=instance, partition_key=partition)
    return done.run_id


def log_of(home: Path, run_id: str) -> Path:
    return home / "history" / "runs" / f"{run_id}.db"


@pytest.mark.parametrize("home", ["ours", "dagster's"], indirect=True)
def test_superseded_runs_go_and_what_assets_show_stays(
    home: Path, instance: dg.DagsterInstance, settings: Settings
) -> None:
    superseded, newest, other = run(instance, "a"), run(instance, "a"), run(instance, "b")
    assert forget_history(settings, [TRIPS]) == Forgotten(0, 0, 0), "all of it is young"
    told = forget_history(settings, [TRIPS], now=LATER)
    assert (told.runs_removed, told.run_logs_removed) == (1, 2)
    assert told.history_bytes_freed > 300_000
    assert {run.run_id for run in instance.get_runs()} == {newest, other}
    assert not any(log_of(home, run_id).exists() for run_id in (superseded, newest, other))
    materialized = instance.fetch_materializations(KEY, limit=10).records
    assert {(one.run_id, one.partition_key) for one in materialized} == {(newest, "a"), (other, "b")}
    assert instance.get_materialized_partitions(KEY) == {"a", "b"}
    check = dg.AssetCheckKey(KEY, "whole")
    (shown,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert shown.run_id == other
    again = forget_history(settings, [TRIPS], now=LATER)
    assert (again.runs_removed, again.run_logs_removed) == (0, 0)
    run(instance, "a")
    assert instance.get_materialized_partitions(KEY) == {"a", "b"}, "the instance goes on"


def test_a_log_that_was_forgotten_reads_as_empty(instance: dg.DagsterInstance, settings: Settings) -> None:
    only = run(instance, "a")
    forget_history(settings, [TRIPS], now=LATER)
    with dg.DagsterInstance.get() as opened_later:
        assert opened_later.all_logs(only) == []
        assert opened_later.get_run_by_id(only).is_success


def test_runs_in_flight_and_those_of_other_projects_stay(instance: dg.DagsterInstance, settings: Settings) -> None:
    theirs = run(instance, "a", "theirs")
    flying = instance.create_run_for_job(DEFINITIONS.resolve_job_def("trips_data"), tags={PIPELINE_TAG: "trips"})
    ours = run(instance, "a")
    told = forget_history(settings, [], now=LATER)
    assert told.runs_removed == 0
    assert {run.run_id for run in instance.get_runs()} == {theirs, flying.run_id, ours}


@pytest.mark.parametrize(
    ("keys", "removed"),
    [
        ([["raw", "trips"]], 1),
        ([["validated", "trips"], ["trip_delay", "features"]], 1),
        ([["raw", "orders"]], 0),
        ([["raw", "trips"], ["raw", "orders"]], 0),
        ([["trip_delay", "invoices"]], 0),
    ],
)
def test_an_untagged_run_is_ours_only_if_all_of_its_assets_are_declared(
    instance: dg.DagsterInstance, settings: Settings, keys: list[list[str]], removed: int
) -> None:
    chosen = frozenset(dg.AssetKey(key) for key in keys)
    for _ in range(2):  # the newest stays for its sensor
        run = instance.create_run_for_job(DEFINITIONS.resolve_job_def("theirs"))
        instance.run_storage.delete_run(run.run_id)
        instance.add_run(run._replace(asset_selection=chosen))
        instance.report_run_failed(run)
    assert forget_history(settings, [TRIPS], now=LATER).runs_removed == removed


def test_a_failed_run_that_nothing_came_after_stays_for_its_sensor(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    tags = {PIPELINE_TAG: "trips", "dagster/partition": "b"}
    failed = [instance.create_run_for_job(DEFINITIONS.resolve_job_def("trips_data"), tags=tags) for _ in range(2)]
    for each in failed:
        instance.report_run_failed(each)
    assert forget_history(settings, [TRIPS], now=LATER).runs_removed == 1
    (left,) = instance.get_runs()
    assert (left.run_id, left.status) == (failed[1].run_id, dg.DagsterRunStatus.FAILURE)


def test_a_run_whose_removal_was_killed_is_removed_next_time(
    home: Path, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    superseded, newest = run(instance, "a"), run(instance, "a")
    storage = type(instance.run_storage)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(storage, "delete_run", killed)
        forget_history(settings, [TRIPS], now=LATER)
    assert superseded in {run.run_id for run in instance.get_runs()}
    assert forget_history(settings, [TRIPS], now=LATER).runs_removed == 1
    assert {run.run_id for run in instance.get_runs()} == {newest}
    assert sorted(path.name for path in (home / "history" / "runs").glob("*.db")) == ["index.db"]


def test_where_the_disk_is_too_full_to_open_anything_logs_go_first(
    home: Path, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = run(instance, "a", "theirs"), run(instance, "a")
    instance.dispose()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
        patch.setattr(dg.DagsterInstance, "get", _without_room)
        with pytest.raises(DagsterHomeFault, match="is full"):
            forget_history(settings, [TRIPS])
        assert log_of(home, ours).exists(), "it is young"
        with pytest.raises(DagsterHomeFault, match="is full"):
            forget_history(settings, [TRIPS], now=LATER)
    assert not log_of(home, ours).exists()
    assert log_of(home, theirs).exists()


def _without_room() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_ticks_of_that_age_go(instance: dg.DagsterInstance, settings: Settings) -> None:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus

    origin = _origin("trip_delay_landing")
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING))
    for day in (0, 99):
        instance.create_tick(
            TickData(
                instigator_origin_id=origin.get_id(),
                instigator_name="trip_delay_landing",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SUCCESS,
                timestamp=(datetime.now(UTC) + timedelta(days=day)).timestamp(),
                selector_id=origin.get_selector().get_id(),
                run_ids=["run"],
            )
        )
    forget_history(settings, [TRIPS], now=LATER)
    assert len(instance.get_ticks(origin.get_id(), origin.get_selector().get_id())) == 1


def _origin(name: str):
    from dagster._core.remote_origin import (
        ManagedGrpcPythonEnvCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="m"), "m")
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)


def test_marks_of_dead_processes_go_unless_a_sensor_will_ask_for_them(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    ended = run(instance, "a")
    flying = instance.create_run_for_job(DEFINITIONS.resolve_job_def("trips_data"), tags={PIPELINE_TAG: "trips"})
    folder = settings.lake / "locks" / "alive"
    folder.mkdir(parents=True)
    for name in (
        ended,
        flying.run_id,
        "of-another-instance",
        "long-gone",
        "terminal-trips-dead",
        "terminal-trips-runs",
    ):
        (folder / name).touch()
    long_ago = (datetime.now(UTC) - timedelta(days=200)).timestamp()
    os.utime(folder / "long-gone", (long_ago, long_ago))
    with FileLock(folder / "terminal-trips-runs"):
        forget_history(settings, [TRIPS])
        left = {path.name for path in folder.iterdir()}
    assert left == {flying.run_id, "of-another-instance", "terminal-trips-runs"}
    assert alive.died(settings, flying.run_id)


@pytest.mark.parametrize("how", ["full", "unwritable"])
def test_what_a_home_without_room_raises_names_the_variable(home: Path, how: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine("sqlite:///:memory:" if how == "full" else f"sqlite:///{home / 'none' / 'x.db'}")
    named = pytest.raises(DagsterHomeFault, match=rf"DAGSTER_HOME \({home}\) is (full|not writable): .*\.")
    with named as raised, home_faults_explained(), engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        connection.execute(text("CREATE TABLE a (x)"))
        connection.execute(text("CREATE TABLE b (x)"))
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, Exception)


def test_other_errors_of_dagster_pass_as_they_are(home: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"), home_faults_explained():
        sqlite3.connect(":memory:").execute("NO SQL")
    with pytest.raises(FileNotFoundError), home_faults_explained():
        (home / "none").read_text()
