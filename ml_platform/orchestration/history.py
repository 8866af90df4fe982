"""The retention of Dagster's history: what `maintain` forgets of runs, their logs and the ticks of sensors.

Dagster itself keeps all of it. Nothing here is needed to tell what was made from what, who decided and why: that is in
the lake and in the operational state, and stays.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_history.py` exercises: the
tables `SqlEventLogStorageTable` and `AssetCheckExecutionsTable`, `SqlEventLogStorage.index_connection` with
`delete_events_for_run`, and the files that `storage_faults` names.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import func, select

from ml_platform.lake.maintenance import bytes_in
from ml_platform.orchestration import alive
from ml_platform.orchestration.event_log import log_files, remove_log
from ml_platform.orchestration.instances import opened_instance
from ml_platform.orchestration.instigators import instigators
from ml_platform.orchestration.jobs import PIPELINE_TAG, asset_keys
from ml_platform.orchestration.storage_faults import EVENTS, RUNS, SCHEDULES
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline

_SHOWN = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")  # the events from which Dagster's pages tell an asset's state
_PAGE = 500  # runs that are fetched at once
_LITTLE = 2_000_000  # bytes free: Dagster cannot be sure to open its databases
_WORTH_SHRINKING = 0.25  # of a database's pages are free


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten: whole runs, the logs of runs whose results are still shown, and bytes on disk."""

    runs_removed: int
    run_logs_removed: int
    history_bytes_freed: int


def forget_history(settings: Settings, pipelines: Sequence[ModelPipeline], *, now: datetime | None = None) -> Forgotten:
    """Apply the retention to the instance of DAGSTER_HOME. Runs of other projects on it are left alone.

    Of runs of ours that ended before `keep_history_days`:

    - One that holds the newest materialization or check of an asset's partition loses its log only. Dagster would show
      the partition as missing otherwise, and automation conditions would ask for it again.
    - The newest of a job and partition stays: by it a sensor knows what it has tried.
    - All others go, with their events and logs.

    Ticks of that age go too. A kill in between leaves a run that the next call forgets.

    Args:
        settings: With `keep_history_days`.
        pipelines: All that are declared. A run without a pipeline's tag is one of ours if all of its assets are theirs.
        now: The moment from which the days count; None: this one.

    Raises:
        PlatformError: When the disk of DAGSTER_HOME is full or its databases cannot be read.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=settings.keep_history_days)
    home = Path(os.environ["DAGSTER_HOME"])
    before = bytes_in(home)
    if shutil.disk_usage(home).free < _LITTLE:
        _remove_logs_unopened(home, limit)
    with opened_instance() as instance:
        ours = {dg.AssetKey(key) for pipeline in pipelines for key in asset_keys(pipeline)}
        over, kept = _ended(instance, ours, limit)
        shown = _shown(instance) | kept
        logs = sum(_forget_log(instance, run_id) for run_id in over if run_id in shown)
        whole = [run_id for run_id in over if run_id not in shown]
        for run_id in whole:
            _forget_run(instance, run_id)
        _forget_ticks(instance, [pipeline.name for pipeline in pipelines], limit)
        alive.remove_marks_of_the_dead(settings, lambda run_id: _is_over(instance, run_id), limit)
        if logs or whole:
            _shrink(home)
        return Forgotten(len(whole), logs, max(0, before - bytes_in(home)))


def _remove_logs_unopened(home: Path, limit: datetime) -> None:
    """Remove the logs of ended runs of ours where the disk is too full for Dagster to open its databases.

    Such a database can be read without its log, which is good enough for what ended long ago.
    """
    runs = home / RUNS.path
    ended = "status IN ('SUCCESS', 'FAILURE', 'CANCELED') AND update_timestamp < ?"
    asked = f"SELECT run_id FROM runs WHERE {ended} AND run_id IN (SELECT run_id FROM run_tags WHERE key = ?)"
    before = limit.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{runs.as_uri()}?immutable=1", uri=True)) as database:
        for (run_id,) in database.execute(asked, [before, PIPELINE_TAG]):
            shutil.rmtree(home / "storage" / run_id, ignore_errors=True)
            for file in (home / EVENTS.path).parent.glob(f"{run_id}.db*"):
                file.unlink(missing_ok=True)


def _ended(instance: dg.DagsterInstance, ours: Set[dg.AssetKey], limit: datetime) -> tuple[list[str], set[str]]:
    """Our runs that ended before the limit, and those among them that are the newest of their job and partition."""
    over, kept, seen = [], set[str](), set[tuple[str, str]]()
    for record in _newest_first(instance):
        run = record.dagster_run
        if PIPELINE_TAG not in run.tags and not (run.asset_selection and run.asset_selection <= ours):
            continue
        where = (run.job_name, run.tags.get(PARTITION_NAME_TAG, ""))
        if run.status in FINISHED_STATUSES and record.update_timestamp.replace(tzinfo=UTC) < limit:
            over.append(run.run_id)
            if where not in seen:
                kept.add(run.run_id)
        seen.add(where)
    return over, kept


def _newest_first(instance: dg.DagsterInstance) -> Iterator[RunRecord]:
    cursor = None
    while page := instance.get_run_records(cursor=cursor, limit=_PAGE):
        yield from page
        cursor = page[-1].dagster_run.run_id


def _shown(instance: dg.DagsterInstance) -> set[str]:
    """The runs that hold the newest event of an asset's partition, or of a check of one."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return {record.dagster_run.run_id for record in _newest_first(instance)}  # nobody can tell: all of them
    by_partition = (Events.c.asset_key, Events.c.partition, Events.c.dagster_event_type)
    events = select(func.max(Events.c.id)).where(Events.c.dagster_event_type.in_(_SHOWN)).group_by(*by_partition)
    by_check = (Checks.c.asset_key, Checks.c.check_name, Checks.c.partition)
    checks = select(func.max(Checks.c.id)).group_by(*by_check)
    with storage.index_connection() as connection:
        holding = connection.execute(select(Events.c.run_id).where(Events.c.id.in_(events)).distinct()).scalars().all()
        checking = connection.execute(select(Checks.c.run_id).where(Checks.c.id.in_(checks)).distinct()).scalars().all()
    return {*holding, *checking}


def _forget_log(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Forget what a run printed and logged; whether anything of it was there."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    with suppress(OSError):  # it is not empty, or not there
        (Path(instance.root_directory) / "storage" / run_id).rmdir()
    return remove_log(instance.event_log_storage, run_id)


def _forget_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Forget a run; the run itself last, so that after a kill it is still there to be forgotten."""
    _forget_log(instance, run_id)
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            storage.delete_events_for_run(connection, run_id)
            connection.execute(Checks.delete().where(Checks.c.run_id == run_id))
    instance.run_storage.delete_run(run_id)


def _forget_ticks(instance: dg.DagsterInstance, pipelines: Sequence[str], limit: datetime) -> None:
    names = instigators(pipelines)
    for state in instance.all_instigator_state():
        if state.name in names:
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, limit.timestamp())


def _is_over(instance: dg.DagsterInstance, run_id: str) -> bool | None:
    """Whether the run ended; None where this instance does not know it."""
    run = instance.get_run_by_id(run_id)
    return None if run is None else run.status in FINISHED_STATUSES


def _shrink(home: Path) -> None:
    """Give free pages of Dagster's SQLite files back to the disk. One in use, or without room, waits for next time."""
    for path in (*log_files(home), home / RUNS.path, home / SCHEDULES.path):
        if not path.exists():
            continue
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path, timeout=1)) as database:
            pages, free = (
                database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
            )
            if free > pages * _WORTH_SHRINKING:
                database.execute("VACUUM")
