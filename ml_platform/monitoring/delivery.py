"""Delivering alerts: once to each channel, retried on failure, given up in the end. A channel never stops a run.

An alert is claimed in one transaction and sent outside it. Then the outcome is recorded. Two processes never send the
same alert. If a process dies between sending and recording, its claim expires after `LEASE` and the alert is sent
again: twice in the worst case, but never not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, func, insert, or_, select

from ml_platform import interrupts
from ml_platform.errors import DeliveryFailed
from ml_platform.state.alert_tables import alert_deliveries, alerts
from ml_platform.state.alerts import SELECTED, Alert
from ml_platform.state.database import State

DeliveryState = Literal["claimed", "delivered", "failed", "given up"]

LEASE = timedelta(minutes=5)  # longer than any channel takes; an older claim was never recorded
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
ATTEMPTS = len(BACK_OFF) + 1
NEWS = timedelta(days=7)  # a channel that is added today gets no older alerts


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
    state: DeliveryState
    error: str
    until: datetime | None
    recorded_at: datetime


def deliver(state: State, channels: Sequence[Channel], now: datetime | None = None) -> list[Delivery]:
    """Send the due alerts, one message a channel. Returns the deliveries; never raises because of a channel.

    `now` is UTC; None asks the clock when it is used.
    """
    deliveries: list[Delivery] = []
    for channel in channels:
        deliveries += _deliver(state, channel, lambda: now or datetime.now(UTC))
    return deliveries


def deliveries(state: State) -> dict[str, list[Delivery]]:
    """alert_id → the state of each channel that was tried."""
    by_alert: dict[str, list[Delivery]] = {}
    for row in state.rows(_newest().order_by(alert_deliveries.c.channel)):
        by_alert.setdefault(row.alert_id, []).append(Delivery(*row))
    return by_alert


def _newest() -> Select[Any]:
    """The newest row of every alert and channel."""
    table = alert_deliveries
    last = select(func.max(table.c.id)).group_by(table.c.alert_id, table.c.channel)
    return select(*(table.c[name] for name in Delivery.__dataclass_fields__)).where(table.c.id.in_(last))


def due(state: State, channel: str, now: datetime) -> list[tuple[Alert, int]]:
    """The alerts to send to the channel now, oldest first, each with the attempts so far."""
    last = _newest().where(alert_deliveries.c.channel == channel).subquery()
    waiting = or_(and_(last.c.alert_id.is_(None), alerts.c.raised_at > now - NEWS), last.c.until.is_not(None))
    chosen = (
        select(*SELECTED, func.coalesce(last.c.attempt, 0), last.c.state, last.c.until)
        .outerjoin(last, last.c.alert_id == alerts.c.alert_id)
        .where(waiting)
        .order_by(alerts.c.raised_at, alerts.c.alert_id)
    )
    rows = ((Alert(*row[:-3]), *row[-3:]) for row in state.rows(chosen))
    return [(item, attempt) for item, attempt, last_state, until in rows if _is_due(attempt, last_state, until, now)]


def _is_due(attempt: int, last_state: DeliveryState | None, until: datetime | None, now: datetime) -> bool:
    """Whether nothing was tried yet, or what was tried has waited. A longer wait is of a clock that was set back."""
    if until is None:
        return True
    span = LEASE if last_state == "claimed" else BACK_OFF[attempt - 1]
    return not now < until <= now + span


def _deliver(state: State, channel: Channel, clock: Callable[[], datetime]) -> list[Delivery]:
    if not due(state, channel.name, clock()):
        return []
    with state.writing() as connection:
        now = clock()  # after the wait for others that write, whose claims would seem to come from the future
        claimed = due(state, channel.name, now)
        for item, attempt in claimed:
            until, stamp = now + LEASE, state.stamp()
            _record(connection, Delivery(item.alert_id, channel.name, attempt + 1, "claimed", "", until, stamp))
    if not claimed:
        return []
    error = _send(channel, [item for item, _ in claimed])
    with state.writing() as connection:
        stamp = state.stamp()
        ends = [_end(item.alert_id, channel.name, attempt + 1, error, now, stamp) for item, attempt in claimed]
        for end in ends:
            _record(connection, end)
    return ends


def _send(channel: Channel, items: Sequence[Alert]) -> str:
    """Why the alerts did not arrive; empty when they did."""
    try:
        channel.send(items)
    except DeliveryFailed as fault:
        return str(fault)
    except Exception as fault:  # a channel's failure is recorded, and the run goes on
        interrupts.stop_if_arrived()
        return f"The channel failed: {type(fault).__name__}."  # its text may hold the address
    return ""


def _end(alert_id: str, channel: str, attempt: int, error: str, now: datetime, stamp: datetime) -> Delivery:
    if not error:
        return Delivery(alert_id, channel, attempt, "delivered", "", None, stamp)
    if attempt >= ATTEMPTS:
        return Delivery(alert_id, channel, attempt, "given up", error, None, stamp)
    return Delivery(alert_id, channel, attempt, "failed", error, now + BACK_OFF[attempt - 1], stamp)


def _record(connection: Connection, delivery: Delivery) -> None:
    connection.execute(insert(alert_deliveries).values(asdict(delivery)))
