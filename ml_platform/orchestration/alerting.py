"""Alerts of a run in Dagster's log or on the terminal, and the sensor that checks for late data."""

from collections.abc import Callable, Iterable

import dagster as dg

from ml_platform.errors import PlatformError
from ml_platform.orchestration.events import StepContext
from ml_platform.orchestration.instigators import ALERT_SENSOR
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.workspaces import reading_workspace_for
from ml_platform.runtime import progress, step_alerts
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.alerts import Kind

_EVERY = 900  # seconds: how late a failed delivery is tried again when nothing runs


def tell_alerts(
    context: StepContext, workspace: Workspace, key: list[str], partition: str, outcome: Outcome, kind: Kind
) -> None:
    """Raise and deliver the alerts of a step. Without channels they go to the run's terminal or its log.

    An alert that cannot be written does not fail a finished step. The error is logged instead.
    """
    say: Callable[[str], None] = progress.alarm() or context.log.warning
    try:
        step_alerts.raise_alerts(
            workspace, "/".join(key), partition, outcome, kind=kind, run_id=context.run.run_id, say=say
        )
    except PlatformError as error:
        context.log.error(f"No alert could be raised: {error}")


def alert_sensor(pipelines: Iterable[ModelPipeline]) -> dg.SensorDefinition:
    """Checks whether expected data arrived, and retries alerts that could not be delivered."""
    declared = list(pipelines)

    @dg.sensor(
        name=ALERT_SENSOR,
        description="Raises an alert when a partition or a table has no fresh data or waits too long, resolves alerts "
        "whose cause is gone, and delivers pending alerts.",
        minimum_interval_seconds=_EVERY,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alerts(context: dg.SensorEvaluationContext, ml_platform_workspace: WorkspaceResource) -> dg.SkipReason:
        if reading_workspace_for(ml_platform_workspace.settings()) is None:
            return dg.SkipReason("There is no lake yet: the first run creates it.")
        with secret_free_errors():
            ws = ml_platform_workspace.workspace()
            new = step_alerts.check_data(ws, declared)
            done = step_alerts.deliver(ws, context.log.warning)
        delivered = sum(one.state == "delivered" for one in done)
        waiting = "; ".join(sorted({one.error for one in done if one.error}))
        return dg.SkipReason(f"{len(new)} new alerts, {delivered} delivered. {waiting}".strip())

    return alerts
