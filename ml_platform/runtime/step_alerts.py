"""Alerts around a run: raised from what a step found, delivered at once, and never in the way of it."""

from collections.abc import Callable, Iterable
from datetime import datetime

from ml_platform.monitoring import alert_rules, delivery, freshness
from ml_platform.monitoring.alert_rules import Found
from ml_platform.monitoring.channels import channels
from ml_platform.monitoring.delivery import Delivery
from ml_platform.quality.checks import REFUSED_FILES
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts, files
from ml_platform.state.alerts import Alert


def told(
    ws: Workspace, asset: str, partition: str, outcome: Outcome, run_id: str, say: Callable[[str], None]
) -> list[Alert]:
    """Raise what the outcome of a step is alarming for; the alerts that are new. If there are any, deliver at once."""
    found = Found(asset, partition, outcome.content_key, outcome.metadata, outcome.checks, run_id)
    alarming = alert_rules.of_checks(found)
    if outcome.metadata.get("refused") or any(check.metadata.get(REFUSED_FILES) for check in outcome.checks):
        table = asset.partition("/")[2]
        alarming += alert_rules.of_refused(table, files.refused(ws.lake, table), run_id)
    new = alerts.raise_(ws.lake, alarming)
    if new:  # asking costs 30 ms a step, and who runs the steps asks at the end anyway
        deliver(ws, say)
    return new


def check_freshness(ws: Workspace, pipelines: Iterable[ModelPipeline], now: datetime | None = None) -> list[Alert]:
    """Raise what should have arrived by now and has not; the alerts that are new."""
    return alerts.raise_(ws.lake, [item for p in pipelines for item in freshness.stale(ws.lake, p, ws.slices, now)])


def deliver(ws: Workspace, say: Callable[[str], None]) -> list[Delivery]:
    """Deliver what is due on the declared channels, or through `say` when there are none."""
    return delivery.deliver(ws.lake, channels(ws.settings, say))
