"""Alerts of a run in Dagster's log or on the terminal, and the sensor that checks for late data."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import dagster as dg

from ml_platform.errors import PlatformError
from ml_platform.orchestration.events import StepContext
from ml_platform.orchestration.instigators import ALERT_SENSOR
from ml_platform.orchestration.jobs import PIPELINE_TAG, service_keys
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.workspaces import reading_workspace_for
from ml_platform.runtime import progress, step_alerts
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.alerts import Kind
from ml_platform.steps.served_parity import comparison_is_due

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


def warning(context: StepContext) -> Callable[[str], None]:
    """What shows a sentence that is no alert on the run's terminal, as a line like theirs, or in its log."""
    listener = progress.alarm()
    return context.log.warning if listener is None else lambda text: listener(f"warn: {text}")


def alert_sensor(pipelines: Iterable[ModelPipeline]) -> dg.SensorDefinition:
    """Checks whether expected data arrived, retries alerts that could not be delivered, and has the service compared.

    Where a service answered since the last comparison with the lake, its assets are materialized, once an hour.
    """
    declared = list(pipelines)
    keys = [dg.AssetKey(key) for pipeline in declared for key in service_keys(pipeline)]

    @dg.sensor(
        name=ALERT_SENSOR,
        description="Raises an alert when a partition or a table has no fresh data or waits too long, resolves alerts "
        "whose cause is gone, and delivers pending alerts. Where a service answered, looks at it once an hour.",
        minimum_interval_seconds=_EVERY,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*keys),
    )
    def alerts(
        context: dg.SensorEvaluationContext, ml_platform_workspace: WorkspaceResource
    ) -> dg.SensorResult | dg.SkipReason:
        if reading_workspace_for(ml_platform_workspace.settings()) is None:
            return dg.SkipReason("There is no lake yet: the first run creates it.")
        with secret_free_errors():
            ws = ml_platform_workspace.workspace()
            new = step_alerts.check_data(ws, declared)
            done = step_alerts.deliver(ws, context.log.warning)
            answered = [pipeline for pipeline in declared if comparison_is_due(ws, pipeline.name)]
        if answered:
            return dg.SensorResult(run_requests=[_comparison(pipeline) for pipeline in answered])
        delivered = sum(one.state == "delivered" for one in done)
        waiting = "; ".join(sorted({one.error for one in done if one.error}))
        return dg.SkipReason(f"{len(new)} new alerts, {delivered} delivered. {waiting}".strip())

    return alerts


def _comparison(pipeline: ModelPipeline) -> dg.RunRequest:
    """A run that looks at the service of a pipeline; one an hour, also where it fails."""
    return dg.RunRequest(
        run_key=f"{pipeline.name} service {datetime.now(UTC):%Y-%m-%dT%H}",
        asset_selection=[dg.AssetKey(key) for key in service_keys(pipeline)],
        tags={PIPELINE_TAG: pipeline.name},
    )
