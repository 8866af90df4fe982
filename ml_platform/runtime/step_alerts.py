"""Raises and delivers alerts for the outcomes of steps."""

from collections.abc import Callable, Iterable
from datetime import datetime

from ml_platform.monitoring import alert_rules, delivery, freshness
from ml_platform.monitoring.alert_rules import CheckedOutput
from ml_platform.monitoring.channels import channels
from ml_platform.monitoring.delivery import Delivery
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.sources import raw
from ml_platform.sources.scan import pending
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import alerts, files
from ml_platform.state.alerts import Alert, Kind
from ml_platform.state.results import VerdictsResult


def raise_alerts(
    ws: Workspace, asset: str, partition: str, outcome: Outcome, *, kind: Kind, run_id: str, say: Callable[[str], None]
) -> list[Alert]:
    """Raise alerts for the outcome of a step and return the new ones, which are delivered at once."""
    layer, _, name = asset.partition("/")
    judged = outcome.result.candidate if isinstance(outcome.result, VerdictsResult) else None
    version = f"{layer}@{judged}" if judged else ""
    evidence = version or outcome.content_key
    link = str(ws.settings.landing) if layer == "raw" else outcome.result.link
    output = CheckedOutput(asset, partition, kind, evidence, version, link, outcome.checks, run_id)
    alarming = [*alert_rules.of_checks(output), *outcome.alerts]
    if layer == "raw" or any(check.refused_files for check in outcome.checks):
        alarming += alert_rules.of_refused(name, files.refused(ws.state, name), run_id)
    new = alerts.raise_(ws.state, alarming)
    if new:  # who runs the steps asks at the end anyway
        deliver(ws, say)
    return new


def check_freshness(ws: Workspace, pipelines: Iterable[ModelPipeline], now: datetime | None = None) -> list[Alert]:
    """Raise alerts for late data and for sources that cannot be read, and return the new ones."""
    declared = list(pipelines)
    late = [item for p in declared for item in freshness.stale(ws.state, p, ws.slices, now)]
    tables = {table.name: table for p in declared for table in p.tables}
    return alerts.raise_(ws.state, [*late, *(item for table in tables.values() for item in _unavailable(ws, table))])


def _unavailable(ws: Workspace, table: Table) -> list[Alert]:
    unavailable = pending(ws.state, table).unavailable
    if unavailable is None:
        return []
    return [alert_rules.of_unavailable(table.name, unavailable, raw.raw_key(ws.state, table))]


def deliver(ws: Workspace, say: Callable[[str], None]) -> list[Delivery]:
    """Deliver pending alerts on the configured channels, or through `say` if there are none."""
    return delivery.deliver(ws.state, channels(ws.settings, say))
