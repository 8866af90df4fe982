"""Alerts as rows of the table `alerts`: open until the cause is gone or a person resolves them.

The same finding is stored once. A finding that returns after the platform resolved its alert is a new alert. One that
a person resolved is not raised again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, insert, select, update

from ml_platform.redaction import without_secrets
from ml_platform.spec.canonical import content_key
from ml_platform.state.alert_tables import alerts as table
from ml_platform.state.database import State

Kind = Literal[
    "gate",
    "contract",
    "refused_file",
    "drift",
    "no_fresh_data",
    "waiting",
    "check",
    "blocked",
    "run",
    "sensor",
    "clock",
    "service",
    "canary",
]
Severity = Literal["error", "warn"]

PLATFORM = "platform"  # who resolved an alert whose cause is gone


@dataclass(frozen=True)
class Alert:
    """One finding: what is wrong, where, and the remedy.

    `about` is the check, gate or file within the asset. `evidence` is the content key or version with the problem, so
    that a problem that is fixed and recurs is a new alert. `link` is an address, a path or empty. `resolved_at`,
    `resolved_by` and `resolved_why` are None while the alert is open.
    """

    alert_id: str
    kind: Kind
    severity: Severity
    asset: str
    partition: str
    about: str
    title: str
    text: str
    link: str
    evidence: str
    raised_at: datetime
    run_id: str
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolved_why: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still needs somebody."""
        return self.resolved_at is None


_IDENTITY = ("kind", "asset", "partition", "about", "evidence")
SELECTED = [table.c[field.name] for field in fields(Alert)]


def alert(
    kind: Kind,
    asset: str,
    partition: str,
    about: str,
    *,
    evidence: str,
    title: str,
    text: str,
    severity: Severity = "error",
    link: str = "",
    run_id: str = "",
) -> Alert:
    """An alert of this moment, with an id made from its subject. `raise_` gives it its place in time."""
    identity = content_key("alert", kind, asset, partition, about, evidence)[:16]  # of _IDENTITY
    now = datetime.now(UTC)
    title, text = without_secrets(title), without_secrets(text)
    return Alert(identity, kind, severity, asset, partition, about, title, text, link, evidence, now, run_id)


def raise_(state: State, candidates: Sequence[Alert]) -> list[Alert]:
    """Record new alerts and return them."""
    if not _unknown(state, candidates):
        return []
    with state.writing() as connection:
        new = [replace(item, raised_at=state.stamp()) for item in _unknown(state, candidates)]
        for item in new:
            connection.execute(insert(table).values(asdict(item)))
    return new


def resolve(state: State, why_by_id: Mapping[str, str], *, by: str = PLATFORM) -> list[Alert]:
    """Resolve the open ones among these alerts (id → why). Returns those that this call resolved."""
    if not any(item.is_open for item in _recorded(state, why_by_id).values()):
        return []
    with state.writing() as connection:
        now = state.stamp()
        before = [item for item in _recorded(state, why_by_id).values() if item.is_open]
        resolved = [
            replace(item, resolved_at=now, resolved_by=by, resolved_why=why_by_id[item.alert_id]) for item in before
        ]
        for item in resolved:
            connection.execute(
                update(table)
                .where(table.c.alert_id == item.alert_id)
                .values(resolved_at=now, resolved_by=by, resolved_why=item.resolved_why)
            )
    return resolved


def raised(state: State, kinds: Iterable[Kind] = (), asset: str = "") -> list[Alert]:
    """Every alert, newest first. `kinds` and `asset` restrict them; empty: all."""
    return _chosen(state, kinds, asset)


def open_alerts(state: State, kinds: Iterable[Kind] = (), asset: str = "") -> list[Alert]:
    """The alerts that are not resolved, newest first. `kinds` and `asset` restrict them; empty: all."""
    return _chosen(state, kinds, asset, table.c.resolved_at.is_(None))


def _chosen(state: State, kinds: Iterable[Kind], asset: str, *where: ColumnElement[bool]) -> list[Alert]:
    chosen = select(*SELECTED).where(*where)
    if kinds:
        chosen = chosen.where(table.c.kind.in_(list(kinds)))
    if asset:
        chosen = chosen.where(table.c.asset == asset)
    return [Alert(*row) for row in state.rows(chosen.order_by(table.c.raised_at.desc(), table.c.alert_id))]


def latest_of(state: State, candidate: Alert) -> Alert | None:
    """The newest recorded alert of the same finding, open or resolved; None when it was never raised."""
    same = [table.c[name] == getattr(candidate, name) for name in _IDENTITY]
    recorded = {row.alert_id: Alert(*row) for row in state.rows(select(*SELECTED).where(*same))}
    last, name = None, candidate.alert_id
    while name in recorded:
        last, name = recorded[name], _again(name)
    return last


def _unknown(state: State, candidates: Sequence[Alert]) -> list[Alert]:
    """The candidates to record, each with the id that it gets."""
    new: dict[str, Alert] = {}
    for item in {item.alert_id: item for item in candidates}.values():
        last = latest_of(state, item)
        if last is None:
            new[item.alert_id] = item
        elif last.resolved_by == PLATFORM:
            again = replace(item, alert_id=_again(last.alert_id))
            new[again.alert_id] = again
    return list(new.values())


def _again(alert_id: str) -> str:
    """The id of the same finding when it returns."""
    return content_key("the alert again", alert_id)[:16]


def _recorded(state: State, ids: Iterable[str]) -> dict[str, Alert]:
    chosen = select(*SELECTED).where(table.c.alert_id.in_(list(ids)))
    return {row.alert_id: Alert(*row) for row in state.rows(chosen)}
