"""Delivering alerts: once a channel, tried again later, given up in the end. A channel is never in a run's way.

An alert is claimed under the write lock, sent outside it, and its end recorded: two processes never
send the same one. A process that dies between sending and recording leaves a claim that runs out after
`LEASE`, and the alert is sent once more: twice at worst, never not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ml_platform.errors import DeliveryFailed
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Transaction, write
from ml_platform.state.alerts import AUTHOR, COLUMNS, Alert

State = Literal["claimed", "delivered", "failed", "given up"]

LEASE = timedelta(minutes=5)  # longer than any channel takes; what is claimed longer was never recorded
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
ATTEMPTS = len(BACK_OFF) + 1
NEWS = timedelta(days=7)  # a channel that is added today does not hear what is older


@dataclass(frozen=True)
class Channel:
    """Where alerts go. `send` takes several as one message and raises DeliveryFailed when they did not arrive."""

    name: str
    send: Callable[[Sequence[Alert]], None]


@dataclass(frozen=True)
class Delivery:
    """How far an alert came on a channel. `until`: when a claim ends, or before when a failure is not tried again."""

    alert_id: str
    channel: str
    attempt: int
    state: State
    error: str
    until: datetime | None
    recorded_at: datetime


def deliver(lake: Lake, channels: Sequence[Channel], now: datetime | None = None) -> list[Delivery]:
    """Send what is due, one message a channel; what became of it. Never raises because of a channel."""
    done: list[Delivery] = []
    for channel in channels:
        done += _deliver(lake, channel, now or datetime.now(UTC))
    return done


def deliveries(lake: Lake) -> dict[str, list[Delivery]]:
    """alert_id → the state of each channel that was tried."""
    if not lake.has("platform", "alert_deliveries"):
        return {}
    found: dict[str, list[Delivery]] = {}
    for row in lake.rows(f"{_NEWEST} ORDER BY channel"):
        found.setdefault(row[0], []).append(Delivery(*row))
    return found


_NEWEST = (
    "SELECT alert_id, channel, attempt, state, error, until, recorded_at FROM platform.alert_deliveries "
    "QUALIFY row_number() OVER (PARTITION BY alert_id, channel ORDER BY recorded_at DESC, rowid DESC) = 1"
)


def due(lake: Lake, channel: str, now: datetime) -> list[tuple[Alert, int]]:
    """What the channel has not got and may be sent, oldest first, each with the attempts so far."""
    rows = lake.rows(
        f"SELECT {', '.join(f'a.{name}' for name in COLUMNS)}, coalesce(d.attempt, 0) FROM platform.alerts a "
        f"LEFT JOIN (FROM ({_NEWEST}) WHERE channel = ?) d ON d.alert_id = a.alert_id "
        "WHERE (d.alert_id IS NULL AND a.raised_at > ?) OR d.until <= ? ORDER BY a.raised_at, a.rowid",
        [channel, now - NEWS, now],
    )
    return [(Alert(*row[:-1]), row[-1]) for row in rows]


def _deliver(lake: Lake, channel: Channel, now: datetime) -> list[Delivery]:
    if not due(lake, channel.name, now):
        return []
    with write(lake, AUTHOR) as tx:
        claimed = due(lake, channel.name, now)
        for item, attempt in claimed:
            _record(tx, Delivery(item.alert_id, channel.name, attempt + 1, "claimed", "", now + LEASE, _stamp()))
    if not claimed:
        return []
    error = _send(channel, [item for item, _ in claimed])
    ends = [_end(item.alert_id, channel.name, attempt + 1, error, now) for item, attempt in claimed]
    with write(lake, AUTHOR) as tx:
        for end in ends:
            _record(tx, end)
    return ends


def _send(channel: Channel, items: Sequence[Alert]) -> str:
    """Why the alerts did not arrive; empty when they did."""
    try:
        channel.send(items)
    except DeliveryFailed as fault:
        return str(fault)
    except Exception as fault:  # whatever a channel's code does, the run goes on; it is on record
        return f"The channel broke: {type(fault).__name__}."  # its text may hold the address
    return ""


def _end(alert_id: str, channel: str, attempt: int, error: str, now: datetime) -> Delivery:
    if not error:
        return Delivery(alert_id, channel, attempt, "delivered", "", None, _stamp())
    if attempt >= ATTEMPTS:
        return Delivery(alert_id, channel, attempt, "given up", error, None, _stamp())
    return Delivery(alert_id, channel, attempt, "failed", error, now + BACK_OFF[attempt - 1], _stamp())


def _record(tx: Transaction, done: Delivery) -> None:
    values: list[Any] = [
        done.alert_id,
        done.channel,
        done.attempt,
        done.state,
        done.error,
        done.until,
        done.recorded_at,
    ]
    tx.execute("INSERT INTO platform.alert_deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _stamp() -> datetime:
    return datetime.now(UTC)
