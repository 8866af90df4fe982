"""Telling whoever waits what is being done now, and what is alarming about it."""

from collections.abc import Callable
from contextvars import ContextVar

Listener = Callable[[str, str], None]  # asset, partition
Alarm = Callable[[str], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_alarm: ContextVar[Alarm | None] = ContextVar("alarm", default=None)


def listen(listener: Listener | None, alarm: Alarm | None = None) -> None:
    """From now on call `listener` at the start of every step of this thread, `alarm` with every alert's line.

    None ends it.
    """
    _listener.set(listener)
    _alarm.set(alarm)


def announce(asset: str, partition: str) -> None:
    """A step of this thread begins."""
    listener = _listener.get()
    if listener is not None:
        listener(asset, partition)


def alarm() -> Alarm | None:
    """Whom to tell of an alert; None when nobody listens."""
    return _alarm.get()
