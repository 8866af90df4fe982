"""Recognises runs that did not end by themselves: killed while they ran, while they started, or never started.

Such a run did not fail, so it may start again as it is. Dagster leaves one that was killed in flight, or fails it after
a time-out.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from ml_platform.orchestration.alive import died, is_marked
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.settings import Settings

KILLED_TAG = "ml_platform/killed"  # its process was killed, so it did not fail by itself
IN_FLIGHT = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_START_SECONDS = 180
_STARTS = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)
_OF_ITS_OWN = {
    reason.value
    for reason in (
        RunFailureReason.RUN_EXCEPTION,
        RunFailureReason.STEP_FAILURE,
        RunFailureReason.JOB_INITIALIZATION_FAILURE,
    )
}
_FROM_OUTSIDE = {
    reason.value
    for reason in (
        RunFailureReason.START_TIMEOUT,
        RunFailureReason.UNEXPECTED_TERMINATION,
        RunFailureReason.RUN_WORKER_RESTART,
    )
}


def was_killed(instance: dg.DagsterInstance, settings: Settings, record: dg.RunRecord) -> bool:
    """Whether a run was killed or never started. A run in flight that was killed is tagged accordingly."""
    run = record.dagster_run
    if KILLED_TAG in run.tags:
        return True
    if died(settings, run.run_id):
        instance.add_run_tags(run.run_id, {KILLED_TAG: "true"})
        return True
    if run.status != dg.DagsterRunStatus.FAILURE:
        return False
    reason = run.tags.get(RUN_FAILURE_REASON_TAG, "")
    return reason in _FROM_OUTSIDE or (record.start_time is None and reason not in _OF_ITS_OWN)


def end_if_killed(instance: dg.DagsterInstance, settings: Settings, record: dg.RunRecord) -> bool:
    """Report a run in flight as failed, or canceled if it was being stopped, if its process let go of its lock file.

    Returns whether it did.
    """
    run = record.dagster_run
    if run.status == dg.DagsterRunStatus.CANCELING and died(settings, run.run_id):
        instance.report_run_canceled(run)  # a person stopped it, so it is not started again
        return True
    if was_killed(instance, settings, record):
        instance.report_run_failed(run, "The process of this run was killed. Its finished assets are kept.")
        return True
    return False


def end_if_gone(
    instance: dg.DagsterInstance, settings: Settings, record: dg.RunRecord, now: datetime | None = None
) -> bool:
    """`end_if_killed`, and report as failed a run without a lock file of which nothing is heard. Returns whether it is.

    It takes the lock in its first seconds, so the start time-out of the instance is long enough a silence.
    """
    if end_if_killed(instance, settings, record):
        return True
    run = record.dagster_run
    if is_marked(settings, run.run_id) or not _marks_itself(run):
        return False
    patience = start_timeout(instance)
    if (now or datetime.now(UTC)) - _last_heard_of(instance, record) <= patience:
        return False
    again = instance.get_run_by_id(run.run_id)
    if again is None or again.status != run.status:
        return False  # it goes on, or somebody else ended it
    instance.add_run_tags(run.run_id, {KILLED_TAG: "true"})
    seconds = patience.total_seconds()
    instance.report_run_failed(run, f"Nothing was heard of this run for {seconds:.0f} s: its process is gone.")
    return True


def start_timeout(instance: dg.DagsterInstance) -> timedelta:
    """How long a run may take to start: `run_monitoring: start_timeout_seconds` of dagster.yaml, 180 by default."""
    seconds = instance.run_monitoring_start_timeout_seconds
    return timedelta(seconds=seconds if seconds > 0 else _START_SECONDS)  # 0 or less switches Dagster's own off


def _marks_itself(run: dg.DagsterRun) -> bool:
    """Whether a silent run without a lock file is gone. A run of another job may have a long step without the lake."""
    return run.status in _STARTS or (run.status == dg.DagsterRunStatus.STARTED and PIPELINE_TAG in run.tags)


def _last_heard_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> datetime:
    changed = record.update_timestamp.replace(tzinfo=UTC)
    events = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False).records
    return max([changed, *(datetime.fromtimestamp(event.timestamp, UTC) for event in events)])
