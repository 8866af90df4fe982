"""The event log with open connections holds what Dagster's own holds, in the same files."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ml_platform_tests.orchestration.dagster_dev import CONFIG

CHECKS = ("first", "second")


@dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="table") for name in CHECKS])
def table():
    yield dg.MaterializeResult(metadata={"rows": 3})
    for name in CHECKS:
        yield dg.AssetCheckResult(check_name=name, passed=name == "first")


JOB = dg.Definitions([table], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
Opening = Callable[[bool], dg.DagsterInstance]


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """An instance in one home, with the project's storage or Dagster's own."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    ours = {"event_log_storage": yaml.safe_load(CONFIG.read_text())["event_log_storage"]}

    def opened(pooled: bool) -> dg.DagsterInstance:
        settings = {"telemetry": {"enabled": False}, **(ours if pooled else {})}
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
        return dg.DagsterInstance.get()

    return opened


def run(instance: dg.DagsterInstance) -> str:
    result = JOB.execute_in_process(instance=instance)
    assert result.success
    return result.run_id


def types_of(instance: dg.DagsterInstance, run_id: str) -> list[str | None]:
    return [entry.dagster_event_type and entry.dagster_event_type.value for entry in instance.all_logs(run_id)]


def test_each_storage_reads_what_the_other_wrote_and_both_write_the_same_events(opening: Opening) -> None:
    with opening(False) as dagsters:
        own = run(dagsters)
        events = types_of(dagsters, own)
    with opening(True) as pooled:
        assert types_of(pooled, own) == events
        later = run(pooled)
        assert types_of(pooled, later) == events
        assert len(pooled.fetch_materializations(dg.AssetKey("table"), limit=10).records) == 2
    with opening(False) as dagsters:
        assert types_of(dagsters, later) == events
        assert len(dagsters.fetch_materializations(dg.AssetKey("table"), limit=10).records) == 2


def test_more_runs_than_databases_may_stay_open_are_all_written_and_read(opening: Opening) -> None:
    with opening(True) as instance:
        runs = [run(instance) for _ in range(10)]
        assert len({tuple(map(str, types_of(instance, each))) for each in runs}) == 1


def test_after_a_wipe_the_log_begins_anew(opening: Opening) -> None:
    with opening(True) as instance:
        before = run(instance)
        instance.wipe()
        assert instance.all_logs(before) == []
        assert "ASSET_MATERIALIZATION" in types_of(instance, run(instance))


def test_the_log_of_each_run_begins_as_dagster_makes_it(opening: Opening, tmp_path: Path) -> None:
    def tables(run_id: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(tmp_path / "history" / "runs" / f"{run_id}.db")) as file:
            made = file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            return [*made, *file.execute("SELECT version_num FROM alembic_version").fetchall()]

    with opening(False) as dagsters:
        own = run(dagsters)
    with opening(True) as pooled:
        first, second = run(pooled), run(pooled)
    assert tables(first) == tables(second) == tables(own)


def test_an_event_waits_for_no_disk_in_a_file_that_a_power_failure_leaves_whole(opening: Opening) -> None:
    with opening(True) as instance:
        for run_id in (run(instance), run(instance)):
            with instance.event_log_storage.run_connection(run_id) as connection:
                modes = [
                    connection.exec_driver_sql(f"PRAGMA {one}").scalar() for one in ("journal_mode", "synchronous")
                ]
            assert modes == ["wal", 1]


def test_the_newest_materialization_of_a_partition_follows_new_ones_of_any_process_and_a_wipe(opening: Opening) -> None:
    key = dg.AssetKey("table")

    def newest(instance: dg.DagsterInstance, partition: str) -> int | None:
        result = instance.fetch_materializations(dg.AssetRecordsFilter(key, asset_partitions=[partition]), limit=1)
        return result.records[0].storage_id if result.records else None

    def materialize(instance: dg.DagsterInstance, partition: str) -> None:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))

    with opening(True) as ours, opening(False) as another:
        for partition in ("January", "February"):
            assert newest(ours, partition) is None
            materialize(ours, partition)
            first = newest(ours, partition)
            assert first == newest(another, partition) == newest(ours, partition) is not None
            materialize(another, partition)
            assert newest(ours, partition) == newest(another, partition) > first
        assert newest(ours, "January") == newest(another, "January")
        another.wipe_assets([key])
        assert newest(ours, "January") is None
        materialize(ours, "January")
        assert newest(ours, "January") == newest(another, "January")
