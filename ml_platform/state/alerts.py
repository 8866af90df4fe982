"""Alerts as rows of the table `alerts`. The same finding is stored once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import insert, select

from ml_platform.spec.canonical import content_key
from ml_platform.state.database import State
from ml_platform.state.schema import alerts as table

Kind = Literal["gate", "contract", "refused_file", "drift", "no_fresh_data", "check"]
Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Alert:
    """One finding: what is wrong, where, and the remedy.

    `about` is the check, gate or file within the asset. `evidence` is the content key or version with the problem, so
    that a problem that is fixed and recurs is a new alert. `link` is an address, a path or empty.
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
    """An alert raised now, with an id made from its subject."""
    identity = content_key("alert", kind, asset, partition, about, evidence)[:16]
    now = datetime.now(UTC)
    return Alert(identity, kind, severity, asset, partition, about, title, text, link, evidence, now, run_id)


def raise_(state: State, candidates: Sequence[Alert]) -> list[Alert]:
    """Record new alerts and return them."""
    if not _unknown(state, candidates):
        return []
    with state.writing() as connection:
        new = _unknown(state, candidates)
        for item in new:
            connection.execute(insert(table).values(asdict(item)))
    return new


def _unknown(state: State, candidates: Sequence[Alert]) -> list[Alert]:
    by_id = {item.alert_id: item for item in candidates}
    if not by_id:
        return []
    recorded = {row[0] for row in state.rows(select(table.c.alert_id).where(table.c.alert_id.in_(by_id)))}
    return [item for name, item in by_id.items() if name not in recorded]


def raised(state: State) -> list[Alert]:
    """Every alert, newest first."""
    chosen = select(*SELECTED).order_by(table.c.raised_at.desc(), table.c.alert_id)
    return [Alert(*row) for row in state.rows(chosen)]
