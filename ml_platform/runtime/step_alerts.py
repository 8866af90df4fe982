"""Raises, resolves and delivers alerts: for the outcomes of steps, and for data that do not arrive."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ml_platform import interrupts
from ml_platform.monitoring import alert_causes, alert_rules, delivery, freshness
from ml_platform.monitoring.alert_rules import CheckedOutput
from ml_platform.monitoring.channels import channels
from ml_platform.monitoring.delivery import Delivery
from ml_platform.monitoring.waiting import waits_too_long
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.sources import raw
from ml_platform.sources.scan import pending
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import alerts
from ml_platform.state.alerts import Alert, Kind
from ml_platform.state.results import ChampionResult, VerdictsResult

ALERT_SENSOR = "ml_platform_alerts"  # the name of the sensor that calls `check_data`


def raise_alerts(
    ws: Workspace, asset: str, partition: str, outcome: Outcome, *, kind: Kind, run_id: str, say: Callable[[str], None]
) -> list[Alert]:
    """Raise alerts for the outcome of a step and return the new ones, which are delivered at once.

    Open alerts about the same asset that the outcome does not raise again are resolved. A check that passes for a
    later partition of a pipeline's step raises nothing for this one.
    """
    layer, _, name = asset.partition("/")
    judged = outcome.result.candidate if isinstance(outcome.result, VerdictsResult | ChampionResult) else None
    version = f"{layer}@{judged}" if judged else ""
    evidence = version if version and kind == "gate" else outcome.content_key
    link = str(ws.settings.landing) if layer == "raw" else outcome.result.link
    output = CheckedOutput(asset, partition, kind, evidence, version, link, outcome.checks, run_id)
    alarming = [*alert_rules.of_checks(output), *outcome.alerts]
    resolved: dict[str, str] = {}
    if layer in ("raw", "validated"):
        resolved |= alert_causes.replaced(ws.state, f"raw/{name}", WHOLE, "refused_file", alarming)
        resolved |= alert_causes.replaced(ws.state, asset, partition, kind, alarming)
    else:
        alarming = [item for item in alarming if not alert_causes.passes(ws.state, asset, partition, item.about)]
        resolved |= alert_causes.replaced(ws.state, asset, partition, kind, alarming)
        for item in alerts.open_alerts(ws.state, [kind], asset):
            if why := alert_causes.passes(ws.state, asset, item.partition, item.about):
                resolved[item.alert_id] = why
    alerts.resolve(ws.state, resolved)
    new = [*alerts.raise_(ws.state, alarming), *check_clock(ws)]
    if new:  # who runs the steps asks at the end anyway
        deliver(ws, say)
    return new


def check_clock(ws: Workspace, now: datetime | None = None) -> list[Alert]:
    """Raise the alert about a clock that was set back, or resolve it when the clock has caught up. Returns a new one.

    `now`: what the clock shows; default: what it shows.
    """
    moment = now or datetime.now(UTC)
    behind = ws.state.clock_behind(moment)
    standing = [alert_rules.of_clock(behind, moment)] if behind else []
    caught_up = alert_causes.replaced(ws.state, "platform/clock", WHOLE, "clock", standing)
    alerts.resolve(ws.state, dict.fromkeys(caught_up, "The clock is later than everything on record again."))
    return alerts.raise_(ws.state, standing)


def check_data(
    ws: Workspace,
    pipelines: Iterable[ModelPipeline],
    now: datetime | None = None,
    *,
    others: Iterable[ModelPipeline] = (),
) -> list[Alert]:
    """Raise alerts for late data, partitions that wait too long, sources that cannot be read and a clock set back.

    Returns the new ones.

    Open alerts whose cause is gone are resolved. One about data of a table stays open while a pipeline with that table
    misses them or was not looked at. A pipeline that cannot be checked is an alert, and the rest go on.

    Args:
        ws: The lake, for writing.
        pipelines: Those to look at.
        now: The moment to judge by; default: this one.
        others: Pipelines that are declared, too, and are not looked at.
    """
    looked_at = {pipeline.name: pipeline for pipeline in pipelines}
    standing: list[Alert] = []
    failures: dict[str, Alert] = {}
    for name, pipeline in looked_at.items():
        try:
            with ws.reading():
                standing += _about_data(ws, pipeline, now)
        except Exception as error:  # whatever is wrong with one pipeline must not hide what is wrong with others
            interrupts.stop_if_arrived()
            failures[name] = alert_rules.of_sensor(f"{name}/alerts", ALERT_SENSOR, error)
    blind = [one for one in (*looked_at.values(), *others) if one.name in failures or one.name not in looked_at]
    unseen = {table.name for pipeline in blind for table in pipeline.tables}
    for name in [name for name in looked_at if name not in failures]:
        asset = f"{name}/alerts"
        try:
            with ws.reading():
                resolved = alert_causes.gone(ws.state, [looked_at[name]], standing, unseen)
        except Exception as error:  # as above
            interrupts.stop_if_arrived()
            failures[name] = alert_rules.of_sensor(asset, ALERT_SENSOR, error)
            continue
        mended = {item.alert_id: "The check works again." for item in alerts.open_alerts(ws.state, ["sensor"], asset)}
        alerts.resolve(ws.state, {**resolved, **mended})
    return [*alerts.raise_(ws.state, [*failures.values(), *standing]), *check_clock(ws, now)]


def _about_data(ws: Workspace, pipeline: ModelPipeline, now: datetime | None) -> list[Alert]:
    late = freshness.stale(ws.state, pipeline, ws.slices, now)
    waits = waits_too_long(ws, pipeline, ws.slices, now)
    unavailable = [item for table in pipeline.tables for item in _unavailable(ws, table)]
    return [*late, *([waits] if waits else []), *unavailable]


def _unavailable(ws: Workspace, table: Table) -> list[Alert]:
    unavailable = pending(ws.state, table).unavailable
    if unavailable is None:
        return []
    return [alert_rules.of_unavailable(table.name, unavailable, raw.raw_key(ws.state, table))]


def deliver(ws: Workspace, say: Callable[[str], None]) -> list[Delivery]:
    """Deliver pending alerts on the configured channels, or through `say` if there are none."""
    return delivery.deliver(ws.state, channels(ws.settings, say))
