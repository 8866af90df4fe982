"""Health checks of Dagster: sensors by their last ticks, runs that failed, runs that hang."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorTick, TickStatus
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ml_platform.errors import first_line
from ml_platform.orchestration import instigators
from ml_platform.orchestration.alive import is_dead
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.orchestration.killed_runs import IN_FLIGHT
from ml_platform.orchestration.undone_runs import undone
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.health_finding import Finding, surveyed

Undone = Callable[[Sequence[dg.RunRecord]], list[dg.RunRecord]]  # those whose work is still to be done
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
SILENT = timedelta(minutes=10)  # without a tick of any sensor: the daemon does not run
_QUEUED = timedelta(minutes=15)  # before it starts; dagster.yaml gives up a start after three
_LONG = timedelta(hours=12)  # in flight
_PAGE = 20  # runs that are fetched at once
_FAILURES = 20  # of a pipeline, newest first, that are looked at


def dagster_findings(
    instance: dg.DagsterInstance, settings: Settings, pipelines: Sequence[ModelPipeline], now: datetime | None = None
) -> Iterator[Finding]:
    """Sensors first, then runs."""
    moment = now or datetime.now(UTC)
    remedy = "Look at it in Dagster; DAGSTER_HOME may be damaged."
    yield from surveyed("sensors", partial(_sensors, instance, pipelines, moment), remedy)
    for pipeline in pipelines:
        not_done = partial(undone, settings, pipelines, pipeline)
        yield from surveyed("run", partial(_failed, instance, pipeline, not_done), remedy)
        yield from surveyed("run", partial(_hanging, instance, settings, pipeline, moment, not_done), remedy)


def _sensors(instance: dg.DagsterInstance, pipelines: Sequence[ModelPipeline], now: datetime) -> Iterator[Finding]:
    wanted = instigators.sensors(pipeline.name for pipeline in pipelines)
    states = _newest(instance, InstigatorType.SENSOR, wanted)
    ticks = {name: tick for name, state in states.items() if (tick := _last_tick(instance, state)) is not None}
    if not ticks:
        remedy = "`make dev` or `dagster dev` starts them; without, `ml-platform run PIPELINE` does their work."
        yield Finding("sensors", "warn", "none has ever ticked on this instance: nothing runs by itself", remedy)
        return
    newest = datetime.fromtimestamp(max(tick.timestamp for tick in ticks.values()), UTC)
    if now - newest > SILENT:
        remedy = "Start Dagster again: `make dev`, or the service that runs its daemon."
        yield Finding(
            "sensors", "bad", f"none has ticked since {newest:%Y-%m-%d %H:%M} UTC: the daemon is down", remedy
        )
    schedule_of = {
        instigators.landing_sensor(pipeline.name): instigators.schedule(pipeline.name) for pipeline in pipelines
    }
    calendars = _newest(instance, InstigatorType.SCHEDULE, set(schedule_of.values()))
    healthy = 0
    for name, state in sorted(states.items()):
        tick, calendar = ticks.get(name), calendars.get(schedule_of.get(name, ""))
        if state.status == InstigatorStatus.STOPPED:
            if calendar is None or calendar.status != InstigatorStatus.RUNNING:
                yield Finding("sensor", "bad", f"{name} is stopped", "Start it on the page Automation of Dagster.")
        elif tick is not None and tick.status == TickStatus.FAILURE:
            error = tick.error.cause or tick.error if tick.error else None
            problem = first_line(Exception(error.message)) if error else "no reason given"
            remedy = "Remove the cause; its next tick tries again. The tick on the sensor's page has the traceback."
            yield Finding("sensor", "bad", f"{name} failed at {_at(tick.timestamp)}: {problem}", remedy)
        else:
            healthy += 1
    for name in sorted(wanted - states.keys()):
        yield Finding("sensor", "bad", f"{name} has never ticked", "Reload the code location in Dagster.")
    yield Finding("sensors", "ok", f"{healthy} of {len(wanted)} tick; the last tick was at {newest:%Y-%m-%d %H:%M} UTC")


def _newest(instance: dg.DagsterInstance, kind: InstigatorType, names: set[str]) -> dict[str, InstigatorState]:
    """The state of each instigator; of several code locations that had it, the one that ticked last."""
    newest: dict[str, InstigatorState] = {}
    states = [state for state in instance.all_instigator_state(instigator_type=kind) if state.name in names]
    for state in sorted(states, key=lambda one: getattr(one.instigator_data, "last_tick_timestamp", None) or 0.0):
        newest[state.name] = state
    return newest


def _last_tick(instance: dg.DagsterInstance, state: InstigatorState) -> InstigatorTick | None:
    """The last tick that ended."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
    return next((tick for tick in ticks if tick.status != TickStatus.STARTED), None)


def _failed(instance: dg.DagsterInstance, pipeline: ModelPipeline, not_done: Undone) -> Iterator[Finding]:
    """Runs that failed, whose work is still to be done, and that no later run of the job and partition has made good.

    A run that a person stopped is none, and makes none good.
    """
    mine = {PIPELINE_TAG: pipeline.name}
    seen: set[tuple[str, str]] = set()
    newest = []
    failures = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=mine)
    for record in instance.get_run_records(failures, limit=_FAILURES):
        run = record.dagster_run
        partition = run.tags.get(PARTITION_NAME_TAG, "")
        where = (run.job_name, partition)
        if where in seen:
            continue
        seen.add(where)
        last = _newest_ended(instance, run.job_name, mine, partition)
        if last is not None and last.run_id == run.run_id:
            newest.append(record)
    for run in (record.dagster_run for record in not_done(newest)):
        partition = run.tags.get(PARTITION_NAME_TAG, "")
        what = f"{run.job_name} for {partition}" if partition else run.job_name
        remedy = f"Its page in Dagster shows the step. Remove the cause; then `ml-platform run {pipeline.name}`."
        yield Finding("run", "bad", f"{what} failed (run {run.run_id})", remedy)


def _newest_ended(
    instance: dg.DagsterInstance, job: str, mine: Mapping[str, str], partition: str
) -> dg.DagsterRun | None:
    """The newest run of a job for a partition that ended by itself; empty: without partition, which no filter asks."""
    tags = {**mine, PARTITION_NAME_TAG: partition} if partition else dict(mine)
    asked = dg.RunsFilter(job_name=job, tags=tags, statuses=_ENDED)
    cursor = None
    while page := instance.get_runs(asked, cursor=cursor, limit=1 if partition else _PAGE):
        for run in page:
            if run.tags.get(PARTITION_NAME_TAG, "") == partition:
                return run
        cursor = page[-1].run_id
    return None


def _hanging(
    instance: dg.DagsterInstance, settings: Settings, pipeline: ModelPipeline, now: datetime, not_done: Undone
) -> Iterator[Finding]:
    for record in instance.get_run_records(dg.RunsFilter(statuses=IN_FLIGHT, tags={PIPELINE_TAG: pipeline.name})):
        run, began = record.dagster_run, record.create_timestamp.replace(tzinfo=UTC)
        what = f"{run.job_name} (run {run.run_id}), since {began:%Y-%m-%d %H:%M} UTC"
        started = run.status == dg.DagsterRunStatus.STARTED
        if is_dead(settings, run.run_id):
            remedy = f"`ml-platform run {pipeline.name}` goes on from there; a running sensor does so by itself."
            if not_done([record]):
                yield Finding("run", "bad", f"the process of {what} is gone", remedy)
        elif not started and now - began > _QUEUED:
            yield Finding("run", "bad", f"{what} has not started", "Terminate it in Dagster, and start its daemon.")
        elif now - began > _LONG:
            yield Finding("run", "warn", f"{what} still runs", "Look at its page in Dagster; terminate it if it hangs.")


def _at(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"
