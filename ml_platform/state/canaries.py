"""The append-only log of canaries: which version answers a share of the keys of a pipeline, and why (S58).

A version is the canary from its "started" on, until it is stopped, taken back by the service, another entry takes its
place, or the champion changes. The last is on record in the log of promotions, and only there.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import select

from ml_platform.errors import CanaryRefused
from ml_platform.state import alerts, promotions
from ml_platform.state.canary_tables import canaries as table
from ml_platform.state.database import State
from ml_platform.state.log_entries import append
from ml_platform.state.objections import objections_of
from ml_platform.state.versions import version as find_version

Action = Literal["started", "stopped", "taken_back"]
SERVICE = "service"  # the actor of what no person does


@dataclass(frozen=True)
class Canary:
    """One entry: `version` began to answer, or ended.

    Args:
        share: Of the keys, above 0 and below 1.
        max_error_share: The share of its rows that it may fail to answer.
        max_latency_ratio: How many times the champion's CPU time a row may take.
        evidence: What was measured when it was taken back; empty otherwise.
    """

    seq: int
    pipeline: str
    version: int
    action: Action
    share: float
    max_error_share: float
    max_latency_ratio: float
    evidence: str
    reason: str
    actor: str
    recorded_at: datetime


_SELECTED = [table.c[field.name] for field in fields(Canary)]


def history(state: State, pipeline: str) -> list[Canary]:
    """The log of a pipeline in the order of writing."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.seq)
    return [Canary(*row) for row in state.rows(chosen)]


def newest(state: State, pipeline: str) -> Canary | None:
    """The newest entry; None without one, and after a change of champion, which ends what was before."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.seq.desc()).limit(1)
    row = state.first(chosen)
    if row is None:
        return None
    entry = Canary(*row)
    is_over = any(one.recorded_at > entry.recorded_at for one in promotions.changed(state, pipeline))
    return None if is_over else entry


def standing(state: State, pipeline: str) -> Canary | None:
    """The entry that made the canary of now; None without one."""
    entry = newest(state, pipeline)
    return entry if entry is not None and entry.action == "started" else None


def start(
    state: State,
    pipeline: str,
    version: int,
    required_gates: Mapping[str, str],
    *,
    share: float,
    max_error_share: float,
    max_latency_ratio: float,
    reason: str,
    actor: str,
) -> tuple[Canary, bool]:
    """Let a version answer a share of the keys, in the place of another canary; its entry, and whether it is new.

    required_gates: as of `promotions.promote`: what may not be promoted may not answer a share either.

    Raises CanaryRefused with every reason, and NotFoundError for a version that does not exist.
    """
    find_version(state, pipeline, version)
    with state.writing():
        champion = promotions.champion_at(state, pipeline)
        reasons = [why for why, _ in objections_of(state, pipeline, version, required_gates)]
        if champion is None:
            reasons = [f"{pipeline} has no champion that could answer the other keys", *reasons]
        if champion == version:
            reasons = ["it is the champion", *reasons]
        if reasons:
            raise CanaryRefused(
                f"{pipeline}@{version} cannot be a canary: {'; '.join(reasons)}.",
                remedy=f"`ml-platform models {pipeline}` lists the versions with their gates.",
            )
        entry = standing(state, pipeline)
        terms = (version, share, max_error_share, max_latency_ratio)
        if entry is not None and (entry.version, entry.share, entry.max_error_share, entry.max_latency_ratio) == terms:
            return entry, False
        seen = alerts.open_alerts(state, ["canary"], _asset(pipeline))
        why = f"{actor} started another canary, {pipeline}@{version}."
        alerts.resolve(state, {item.alert_id: why for item in seen})
        now = state.stamp()
        entry = Canary(
            0, pipeline, version, "started", share, max_error_share, max_latency_ratio, "", reason, actor, now
        )
        return _append(state, entry), True


def stop(state: State, pipeline: str, *, reason: str, actor: str) -> Canary:
    """End the canary. Raises CanaryRefused when there is none."""
    with state.writing():
        entry = standing(state, pipeline)
        if entry is None:
            raise CanaryRefused(
                f"{pipeline} has no canary.",
                remedy=f"`ml-platform canary {pipeline}@N --share 0.1` makes a version one.",
            )
        end = replace(entry, action="stopped", reason=reason, actor=actor, recorded_at=state.stamp())
        return _append(state, end)


def take_back(state: State, pipeline: str, seq: int, *, reason: str, evidence: str) -> Canary | None:
    """End the canary of the entry `seq` by the service, and raise an alert; None when it had ended already."""
    with state.writing():
        entry = standing(state, pipeline)
        if entry is None or entry.seq != seq:
            return None
        end = replace(
            entry, action="taken_back", evidence=evidence, reason=reason, actor=SERVICE, recorded_at=state.stamp()
        )
        name = f"{pipeline}@{entry.version}"
        finding = alerts.alert(
            "canary",
            _asset(pipeline),
            "",
            "canary",
            evidence=f"{name}, entry {seq}",
            title=f"The canary {name} was taken back: {reason}.",
            text=f"The champion answers all keys of {pipeline} again. See why in the log of the service and in "
            f"`ml-platform canary {pipeline}`; another canary closes this alert.",
        )
        alerts.raise_(state, [finding])
        return _append(state, end)


def _asset(pipeline: str) -> str:
    return f"{pipeline}/service"


def _append(state: State, entry: Canary) -> Canary:
    with state.writing() as connection:
        return replace(entry, seq=append(connection, table, asdict(entry)))
