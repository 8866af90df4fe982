"""Alerts: what a person should hear of, as rows of `platform.alerts`. The same finding again is the same row."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Literal

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.spec.canonical import content_key

Kind = Literal["gate", "contract", "refused_file", "drift", "no_fresh_data", "check"]
Severity = Literal["error", "warn"]

AUTHOR = Author("platform/alerts")
_TABLES = {
    "alerts": "alert_id VARCHAR, kind VARCHAR, severity VARCHAR, asset VARCHAR, partition VARCHAR, about VARCHAR, "
    "title VARCHAR, text VARCHAR, link VARCHAR, evidence VARCHAR, raised_at TIMESTAMPTZ, run_id VARCHAR",
    # Append-only; the newest row of an alert and channel is its state (`monitoring.delivery`).
    "alert_deliveries": "alert_id VARCHAR, channel VARCHAR, attempt INTEGER, state VARCHAR, error VARCHAR, "
    "until TIMESTAMPTZ, recorded_at TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Alert:
    """One finding: what, where and how to mend it.

    `about` is the check, gate or file within the asset; `evidence` the content key or version that
    it was found in, so that what is mended and breaks again is another alert. `link` is an address,
    a path or empty.
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


COLUMNS = [field.name for field in fields(Alert)]


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
    """An alert of now, with the id of what it is about."""
    identity = content_key("alert", kind, asset, partition, about, evidence)[:16]
    now = datetime.now(UTC)
    return Alert(identity, kind, severity, asset, partition, about, title, text, link, evidence, now, run_id)


def prepare(lake: Lake) -> None:
    """Make the tables of alerts when one is missing; any number of processes may do so at once."""
    if all(lake.has("platform", name) for name in _TABLES):
        return
    with write(lake, AUTHOR) as tx:
        tx.execute("CREATE SCHEMA IF NOT EXISTS platform")
        for name, columns in _TABLES.items():
            tx.execute(f"CREATE TABLE IF NOT EXISTS platform.{name} ({columns})")


def raise_(lake: Lake, found: Sequence[Alert]) -> list[Alert]:
    """Put on record those that are not yet; they are returned."""
    if not _unknown(lake, found):
        return []
    with write(lake, AUTHOR) as tx:
        new = _unknown(lake, found)
        for item in new:
            tx.execute(f"INSERT INTO platform.alerts VALUES ({', '.join('?' * len(COLUMNS))})", [*astuple(item)])
    return new


def _unknown(lake: Lake, found: Sequence[Alert]) -> list[Alert]:
    by_id = {item.alert_id: item for item in found}
    if not by_id:
        return []
    known = lake.rows("SELECT alert_id FROM platform.alerts WHERE list_contains(?, alert_id)", [list(by_id)])
    return [item for name, item in by_id.items() if (name,) not in known]


def raised(lake: Lake) -> list[Alert]:
    """Every alert, newest first; none in a lake from before there were alerts."""
    if not lake.has("platform", "alerts"):
        return []
    rows = lake.rows(f"SELECT {', '.join(COLUMNS)} FROM platform.alerts ORDER BY raised_at DESC, rowid DESC")
    return [Alert(*row) for row in rows]
