"""Health checks of alerts: open ones, and those that did not reach their channel."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ml_platform.monitoring.alert_rules import of_clock
from ml_platform.monitoring.delivery import deliveries
from ml_platform.naming import counted
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.alerts import PLATFORM, Alert, latest_of, open_alerts
from ml_platform.state.database import State
from ml_platform.views.champion_health import candidate_alerts
from ml_platform.views.health_finding import Finding

# `data_health` looks at these itself, and `set_clock` at the last one.
_SEEN = ("refused_file", "no_fresh_data", "waiting", "clock")


def acknowledged(state: State, candidate: Alert) -> str:
    """Who resolved the alert of a finding, and why; empty while it is open or was never raised."""
    last = latest_of(state, candidate)
    if last is None or last.resolved_by in (None, PLATFORM):
        return ""
    return f"Resolved by {last.resolved_by}: {last.resolved_why}"


def given_up(state: State, pipeline: str) -> list[Alert]:
    """The open alerts about what the sensors of a pipeline gave up on: runs, or their own ticks. Newest first."""
    return [item for item in open_alerts(state, ("run", "sensor")) if item.asset.startswith(f"{pipeline}/")]


def standing_alerts(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """A finding for each open alert, but for those that other checks tell: of data, and of a newest candidate.

    Of several about the same part of one asset, in other partitions or versions, the newest tells how many there are.
    """
    of_candidates = candidate_alerts(state, pipelines)
    items = [item for item in open_alerts(state) if item.kind not in _SEEN and item.alert_id not in of_candidates]
    alike: dict[tuple[str, ...], list[Alert]] = {}
    for item in items:
        alike.setdefault((item.severity, item.kind, item.asset, item.about), []).append(item)
    for newest, *older in alike.values():
        detail = newest.title
        remedy = f"{newest.text} `ml-platform alerts resolve {newest.alert_id} --why TEXT` closes it."
        if older:
            detail += f", and {counted(len(older), 'older one', 'older ones')} of the same cause"
            remedy += " `ml-platform alerts --open` lists the older ones."
        yield Finding("open alert", "bad" if newest.severity == "error" else "warn", detail, remedy)
    if not items:
        yield Finding("open alert", "ok", "none")


def set_clock(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """A finding where the clock of this machine is behind the newest time on record."""
    now = datetime.now(UTC)
    behind = state.clock_behind(now)
    if behind:
        alert_text = of_clock(behind, now)
        yield Finding("clock", "bad", alert_text.title, alert_text.text)


def undelivered_alerts(state: State, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Alerts that did not reach their channel."""
    ends = [end for ends in deliveries(state).values() for end in ends if end.state in ("failed", "given up")]
    for channel in sorted({end.channel for end in ends}):
        stuck = [end for end in ends if end.channel == channel]
        lost = sum(end.state == "given up" for end in stuck)
        detail = f"{len(stuck)} did not reach {channel}, {lost} given up. {stuck[-1].error}"
        yield Finding("alerts", "warn", detail, "Correct ML_PLATFORM_ALERTS, then `ml-platform alerts --deliver`.")
