"""What became of earlier runs for a state, and whether it is run for again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_platform.naming import counted
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.orchestration.killed_runs import was_killed
from ml_platform.runtime.planner import Work
from ml_platform.runtime.run_state import RunState
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline

STATE_TAG = "ml_platform/state"  # what a run started from: never run for twice
WANTED_TAG = "ml_platform/wanted"  # what it was to make
ATTEMPTS = 3  # at once, of a run that is killed each time: something kills it
FIRST_REST, LONGEST_REST = timedelta(minutes=5), timedelta(hours=6)  # between further attempts; each rest is doubled
_REMEDY = (
    "Fix the cause: the sensor runs again when the state changes. Or re-execute that run, or use `ml-platform run`."
)


@dataclass(frozen=True)
class GivenUp:
    """A state that needs a person. `outcome` says what became of its runs, as a clause; `reason` is whole sentences."""

    state: str
    outcome: str
    reason: str


@dataclass(frozen=True)
class Earlier:
    """The earlier runs for a state.

    killed:   how many of them were killed or never started.
    rests:    why no run is requested now; empty where one is.
    given_up: what a person has to hear of, also while a run that is killed each time is tried again.
    """

    killed: int = 0
    rests: str = ""
    given_up: GivenUp | None = None


def earlier_runs(
    instance: dg.DagsterInstance,
    settings: Settings,
    pipeline: ModelPipeline,
    work: Work,
    state: RunState,
    now: datetime | None = None,
) -> Earlier:
    """What became of the runs for this state.

    A run that failed, was stopped or changed nothing is not repeated. One that was killed is: at once until it was
    killed `ATTEMPTS` times, and then after rests.
    """
    what = f"{pipeline.name}_{work.job} for {work.partition}"
    before = instance.get_run_records(dg.RunsFilter(tags={STATE_TAG: state.key}))
    killed = [record for record in before if was_killed(instance, settings, record)]
    for run in (record.dagster_run for record in before if record not in killed):
        became = {"FAILURE": "failed", "CANCELED": "was stopped"}.get(run.status.value, "changed nothing")
        return _for_good(state, f"{what} {became}", f"(run {run.run_id}) and the state has not changed since")
    if len(killed) >= ATTEMPTS:
        return _killed_often(state, what, killed, now or datetime.now(UTC))
    last = instance.get_runs(dg.RunsFilter(tags={PIPELINE_TAG: pipeline.name}), limit=1)
    if last and last[0].tags.get(WANTED_TAG) == state.wanted and last[0].status == dg.DagsterRunStatus.SUCCESS:
        return _for_good(state, f"{what} ran", f"(run {last[0].run_id}) and the same assets are stale again")
    return Earlier(len(killed))


def _for_good(state: RunState, outcome: str, detail: str) -> Earlier:
    reason = f"{outcome} {detail}. {_REMEDY}"
    return Earlier(0, reason, GivenUp(state.key, outcome, reason))


def _killed_often(state: RunState, what: str, killed: list[dg.RunRecord], now: datetime) -> Earlier:
    number, newest = len(killed), killed[0]
    rest = min(FIRST_REST * 2 ** min(number - ATTEMPTS, 16), LONGEST_REST)
    until = newest.update_timestamp.replace(tzinfo=UTC) + rest
    outcome = f"{what} was killed {counted(number, 'time')}"
    reason = (
        f"{outcome}, or did not start (last run {newest.dagster_run.run_id}). It is tried again from "
        f"{until:%Y-%m-%d %H:%M} UTC, and later after longer rests. {_REMEDY}"
    )
    resting = timedelta() < until - now <= rest  # a longer one is of a clock that was set back
    return Earlier(number, reason if resting else "", GivenUp(state.key, outcome, reason))
