"""A sensor's tick. What goes wrong in it is a skip with the reason and an alert, so that one fault makes no red row a
tick, and whoever is on call hears of it once.

A tick is red only when not even the alert can be stored: before the first run, or when the operational state cannot
be written.
"""

import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import time

import dagster as dg

from ml_platform.errors import PlatformError, first_line
from ml_platform.monitoring import delivery
from ml_platform.monitoring.alert_rules import of_sensor, of_stuck_run
from ml_platform.monitoring.channels import channels
from ml_platform.orchestration import quiet, services
from ml_platform.orchestration.due import due
from ml_platform.orchestration.earlier_runs import GivenUp
from ml_platform.orchestration.workspaces import reading_workspace_for, settings_of
from ml_platform.redaction import without_secrets
from ml_platform.runtime.step import Job
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.serving.service_state import ServiceState
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts, database
from ml_platform.state.alerts import Alert, Kind
from ml_platform.state.database import State
from ml_platform.steps.service_checks import SERVICE

_OURS: tuple[Kind, ...] = ("sensor", "run")
_OF_SERVICE: tuple[Kind, ...] = ("service",)


@dataclass(frozen=True)
class Tick:
    """A run request or a skip reason, and the cursor to store."""

    request: dg.RunRequest | None
    reason: str
    cursor: str | None


def answered(
    opened_instance: Callable[[], dg.DagsterInstance],
    pipeline: ModelPipeline,
    job: Job,
    sensor: str,
    cursor: str | None,
    log: Callable[[str], None],
    addresses: Sequence[str] = (),
    *,
    many: bool = True,
) -> Tick:
    """What `due` answers, or answered before if nothing changed since.

    An error becomes a skip reason and an alert; a run that failed becomes an alert, too. `opened_instance` is called
    only where something changed, or when it is time to look again. `log` takes warnings and the traceback of an error.
    `addresses` lists all pipelines of the code location; empty: ML_PLATFORM_PIPELINES lists them. `many`: whether a run
    of many partitions may be asked for.

    Raises the error when its alert cannot be stored.
    """
    asset, settings = f"{pipeline.name}/{sensor.removeprefix(f'{pipeline.name}_')}", settings_of(addresses)
    try:
        before, now = quiet.stored(cursor, log), time()
        fingerprint = quiet.fingerprint(settings, pipeline)  # before the look, which sees all that it covers
        if before.stands(fingerprint, now):
            return Tick(None, before.reason, cursor)
        answer = due(opened_instance(), pipeline, job, settings, many=many)
        if answer.looked:
            _tell_given_up(settings, asset, answer.given_up, log)
        if answer.service is not None:
            _tell_service(settings, answer.service, log)
    except Exception as error:  # whatever it is: a sensor goes on, and a person hears of it
        log(without_secrets(traceback.format_exc()))
        if not database.exists(settings):
            with secret_free_errors():
                raise
        _tell(settings, asset, of_sensor(asset, sensor, error), ("sensor",), log)
        what = f"{type(error).__name__}: {first_line(error)}"
        return Tick(None, f"This tick failed, and an alert says so. {what}", quiet.LOUD)
    if answer.request is not None or not answer.stands:
        return Tick(answer.request, answer.reason, quiet.LOUD)
    until = now + answer.stands.total_seconds()
    return Tick(None, answer.reason, before.after(fingerprint, answer.reason, now, until).text())


def _tell_service(settings: Settings, state: ServiceState, log: Callable[[str], None]) -> None:
    """Raise the alert about a service that does not follow the promotion log, or resolve that of an earlier tick."""
    ws, asset, problem = reading_workspace_for(settings), f"{state.pipeline}/{SERVICE}", services.problem_of(state)
    if ws is not None and _news(ws.state, asset, problem, _OF_SERVICE):
        _tell(settings, asset, problem, _OF_SERVICE, log, "The service follows the promotion log, or does not run.")


def _tell_given_up(settings: Settings, asset: str, given_up: GivenUp | None, log: Callable[[str], None]) -> None:
    """Raise the alert about a state that needs a person, or resolve that of an earlier tick.

    Raises PlatformError before the first run has made the place where alerts are stored: the tick is red then.
    """
    ws = reading_workspace_for(settings)
    if ws is None:
        if given_up is not None:
            raise PlatformError(given_up.reason)
        return
    problem = of_stuck_run(asset, given_up.outcome, given_up.reason, given_up.state) if given_up else None
    if _news(ws.state, asset, problem, _OURS):
        _tell(settings, asset, problem, _OURS, log)


def _news(state: State, asset: str, problem: Alert | None, kinds: Sequence[Kind]) -> bool:
    """Whether a tick has an alert to raise, or one of an earlier tick to resolve."""
    stands = alerts.latest_of(state, problem) if problem else None
    if problem and (stands is None or stands.resolved_by == alerts.PLATFORM):
        return True
    return any(stands is None or item.alert_id != stands.alert_id for item in alerts.open_alerts(state, kinds, asset))


def _tell(
    settings: Settings,
    asset: str,
    problem: Alert | None,
    kinds: Sequence[Kind],
    log: Callable[[str], None],
    why_over: str = "The sensor goes on, or has another problem.",
) -> None:
    """Raise the alert of a tick, deliver it if it is new, and resolve those of earlier ticks.

    `kinds` are the kinds that the tick judged: one that failed did not look at runs.
    """
    with closing(State(settings)) as state:
        new = alerts.raise_(state, [problem] if problem else [])
        stands = alerts.latest_of(state, problem) if problem else None
        over = [
            item.alert_id
            for item in alerts.open_alerts(state, kinds, asset)
            if stands is None or item.alert_id != stands.alert_id
        ]
        alerts.resolve(state, dict.fromkeys(over, why_over))
        if new:
            delivery.deliver(state, channels(settings, log))
