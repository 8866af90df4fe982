"""Decides what a sensor tick requests: the planner's next run, or a skip reason.

Sensors, schedules and `ml-platform run` all ask the planner. A tick requests no run while a run of the pipeline is
in progress, and no second run for the same state.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ml_platform import interrupts
from ml_platform.errors import first_line
from ml_platform.orchestration import champions, services
from ml_platform.orchestration.active_runs import active_run
from ml_platform.orchestration.alive import terminal_works
from ml_platform.orchestration.earlier_runs import STATE_TAG, WANTED_TAG, GivenUp, earlier_runs
from ml_platform.orchestration.jobs import PIPELINE_TAG, range_job_name
from ml_platform.orchestration.workspaces import reading_workspace_for
from ml_platform.runtime.measuring_again import REST, rests_until
from ml_platform.runtime.planner import Work
from ml_platform.runtime.ranges import may_begin
from ml_platform.runtime.run_state import RunState, first_state, source_marks, state_of
from ml_platform.runtime.step import Job
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.service_state import ServiceState
from ml_platform.settings import Settings
from ml_platform.sources.scan import Pending
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions
from ml_platform.state import files as file_records
from ml_platform.steps.all_steps import planner

_logger = logging.getLogger(__name__)
REASON_TAG = "ml_platform/reason"  # why it was started, in words
DECISION_TAG = "ml_platform/decision"  # triggered, skipped or manual
# How long an answer stands while no source, commit or partition changes. Dagster's runs tell of no change.
_UP_TO_DATE = timedelta(minutes=15)  # an output may be damaged, or Dagster's history removed
_GIVEN_UP = timedelta(minutes=1)  # a person may remove the runs that it was given up for
_OTHER_JOB = timedelta(seconds=15)  # its run may fail, and then keeps nothing back


@dataclass(frozen=True)
class Answer:
    """A run request, or a skip reason and how long it stands.

    stands:   how long it stands while nothing changes that the sensor's fingerprint covers; zero: the next tick looks.
    looked:   whether the states of the job were looked at, so that `given_up` tells all that needs a person.
    given_up: the state whose runs failed or are killed each time; None: there is none, or nothing was looked at.
    service:  what is on record of the pipeline's service; None: it was not looked at.
    """

    request: dg.RunRequest | None
    reason: str
    stands: timedelta = timedelta()
    looked: bool = False
    given_up: GivenUp | None = None
    service: ServiceState | None = None


def due(
    instance: dg.DagsterInstance, pipeline: ModelPipeline, job: Job, settings: Settings, *, many: bool = True
) -> Answer:
    """The run of `job` that is due now, if any. Opens the lake for reading only.

    `many`: whether a run of many partitions may be asked for (`runtime.ranges`).
    """
    if not pipeline.partition_keys():
        assert pipeline.partitions is not None  # a pipeline without partitions has one key
        end = pipeline.partitions.window(pipeline.partitions.since)[1]
        reason = f"No partition of {pipeline.name} has ended yet. The first ends at {end:%Y-%m-%d %H:%M} UTC."
        return Answer(None, reason, _UP_TO_DATE)
    if busy := _busy(instance, pipeline, settings):
        return Answer(None, busy)
    ws = reading_workspace_for(settings)
    if ws is None:
        return _first(instance, pipeline, job, settings)
    with ws.reading():
        answer = _planned(instance, ws, pipeline, job, many)
        return _with_service(instance, ws, pipeline, answer) if job == "train" else answer


def _with_service(instance: dg.DagsterInstance, ws: Workspace, pipeline: ModelPipeline, answer: Answer) -> Answer:
    """The answer with what is on record of the service. One that may still take up the champion is looked at soon."""
    try:
        state = services.report_service(instance, ws, pipeline.name)
    except Exception as error:  # a store that is gone, of whatever kind: trainings go on, and its checks say so
        interrupts.stop_if_arrived()
        _logger.warning("The service of %s cannot be looked at: %s", pipeline.name, first_line(error))
        return answer
    waits = state.lags and not state.lags_for_long()
    return replace(answer, service=state, stands=min(answer.stands, services.SOON) if waits else answer.stands)


def _planned(instance: dg.DagsterInstance, ws: Workspace, pipeline: ModelPipeline, job: Job, many: bool) -> Answer:
    if job == "train":  # a person may have changed the champion since the last tick
        champions.report(instance, ws.state, pipeline.name)
    plan, undrawn = planner(ws, pipeline), None
    resting: Answer | None = None
    for work in plan.work():
        rests, now = rests_until(ws, pipeline, work), datetime.now(UTC)
        if rests is not None and now < rests <= now + REST:  # a longer rest is of a clock that was set back
            gate = (
                f"The candidate of {work.partition} waits for a gate, which is measured again from {rests:%H:%M} UTC."
            )
            if resting is None or rests - now < resting.stands:
                resting = Answer(None, gate, rests - now)
            continue  # scoring goes on
        state = state_of(plan, work)
        earlier = earlier_runs(instance, ws.settings, pipeline, work, state)
        if earlier.rests and work.only == [[pipeline.name, "report"]]:
            undrawn = earlier.given_up if job == "data" else None
            continue  # nothing is made of a page, so one that could not be drawn keeps nothing back
        if work.job == job:
            given_up = earlier.given_up or undrawn
            if earlier.rests:
                return Answer(None, earlier.rests, _GIVEN_UP, True, given_up)
            request = _request(ws, pipeline, work, state, earlier.killed)
            if many and may_begin(pipeline, work):
                request = _of_many(pipeline, work, request)
            return Answer(request, "", looked=True, given_up=given_up)
        if job == "train":
            waits = earlier.rests or f"{pipeline.name}_data has to run for {work.partition} first."
            return Answer(None, f"No training is due. {waits}", _OTHER_JOB)
        if not earlier.rests:
            waits = f"{pipeline.name}_train has to act on the decision of {work.partition} first."
            return Answer(None, waits, _OTHER_JOB)
        # A training that failed keeps nobody from scoring: the champion there is goes on.
    if undrawn is not None:
        return Answer(None, undrawn.reason, _GIVEN_UP, True, undrawn)
    if resting is not None:
        return resting
    looks = plan.pending()
    done = _up_to_date(looks)
    if done and not any(file_records.versions(ws.state, table.name) for table in pipeline.tables):
        done = [_nothing_landed(pipeline, ws.settings)]
    reason = " ".join([*done, *(problem for look in looks for problem in look.problems)])
    # What makes such a source readable again may not change its marks, so it is asked again.
    marked = {table for table, *_ in source_marks(ws.settings, pipeline.tables)}
    unsettled = any(look.unavailable and look.table in marked for look in looks)
    return Answer(None, reason, timedelta() if unsettled else _UP_TO_DATE, looked=True)


def _first(instance: dg.DagsterInstance, pipeline: ModelPipeline, job: Job, settings: Settings) -> Answer:
    """The answer before the lake exists: landed files request a first data run, which creates the lake."""
    if job == "train" or not source_marks(settings, pipeline.tables):
        return Answer(None, _nothing_landed(pipeline, settings), _UP_TO_DATE)
    assets = [[layer, table.name] for table in pipeline.tables for layer in ("raw", "validated", "quarantine")]
    work = Work("data", pipeline.partition_keys()[0], 0, 1, assets)
    state = first_state(settings, pipeline, work)
    earlier = earlier_runs(instance, settings, pipeline, work, state)
    if earlier.rests:
        return Answer(None, earlier.rests, _GIVEN_UP, True, earlier.given_up)
    return Answer(_request(None, pipeline, work, state, earlier.killed), "")


def _nothing_landed(pipeline: ModelPipeline, settings: Settings) -> str:
    absences = "; ".join(table.source.absence for table in pipeline.tables)
    return f"No run of {pipeline.name} yet: {absences}. The landing folder is {settings.landing}."


def _busy(instance: dg.DagsterInstance, pipeline: ModelPipeline, settings: Settings) -> str:
    """Which run works on the pipeline now, as a skip reason; empty when there is none."""
    if terminal_works(settings, pipeline.name):
        return f"`ml-platform run {pipeline.name}` is running in a terminal."
    return active_run(instance, pipeline, settings)


def _request(ws: Workspace | None, pipeline: ModelPipeline, work: Work, state: RunState, killed: int) -> dg.RunRequest:
    tags = {PIPELINE_TAG: pipeline.name, STATE_TAG: state.key, WANTED_TAG: state.wanted}
    if work.job == "train" and ws is not None:
        decision = decisions.current(ws.state, pipeline.name)[work.partition]
        tags |= {DECISION_TAG: decision.outcome, REASON_TAG: decision.reason}
    else:
        tags[REASON_TAG] = _why(pipeline, work)
    return dg.RunRequest(
        run_key=f"{state.key}, killed {killed}" if killed else state.key,  # Dagster never takes a key twice
        job_name=f"{pipeline.name}_{work.job}",
        partition_key=work.partition if pipeline.partitions and _partitioned(ws, work) else None,
        asset_selection=[dg.AssetKey(key) for key in work.only] if work.only else None,
        tags=tags,
    )


def _of_many(pipeline: ModelPipeline, work: Work, request: dg.RunRequest) -> dg.RunRequest:
    """The same request for a run of many partitions that begins with this work."""
    return dg.RunRequest(
        run_key=request.run_key,
        job_name=range_job_name(pipeline),
        tags={**request.tags, PARTITION_NAME_TAG: work.partition},
    )


def _partitioned(ws: Workspace | None, work: Work) -> bool:
    """Whether an asset of the run has partitions. Dagster refuses a partition key for a selection without any."""
    if ws is None or work.only is None:
        return True  # a first run, or a whole job: of the examples' table, which has them
    unpartitioned = {name for name, slices in ws.slices.items() if slices is None}
    tables = ("validated", "quarantine")
    return any(layer != "raw" and not (layer in tables and name in unpartitioned) for layer, name in work.only)


def _why(pipeline: ModelPipeline, work: Work) -> str:
    """The reason of a data run: what came in the sources, or the first stale assets."""
    tables_by_news: dict[str, list[str]] = {}
    for layer, name in work.only or []:
        if layer == "raw":
            tables_by_news.setdefault(pipeline.table(name).source.changes_with, []).append(name)
    if tables_by_news:
        return "; ".join(f"{', '.join(names)}: {news}" for news, names in tables_by_news.items()) + "."
    return f"Stale for {work.partition}: {', '.join('/'.join(key) for key in (work.only or [])[:3])}, and downstream."


def _up_to_date(looks: Sequence[Pending]) -> list[str]:
    """That nothing is stale; empty while a source cannot be read, because then nobody knows."""
    return [] if any(look.unavailable for look in looks) else ["Everything is up to date."]
