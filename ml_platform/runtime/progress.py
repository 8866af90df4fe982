"""Reports progress and alerts of the current thread to a listener."""

from collections.abc import Callable
from contextvars import ContextVar

Listener = Callable[[str, str], None]  # asset, partition
Alarm = Callable[[str], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_alarm: ContextVar[Alarm | None] = ContextVar("alarm", default=None)


def listen(listener: Listener | None, alarm: Alarm | None = None) -> None:
    """Call `listener` at the start of every step of this thread, and `alarm` with the line of every alert.

    None stops the calls.
    """
    _listener.set(listener)
    _alarm.set(alarm)


def announce(asset: str, partition: str) -> None:
    """Report that a step of this thread starts."""
    listener = _listener.get()
    if listener is not None:
        listener(asset, partition)


def alarm() -> Alarm | None:
    """The listener for alerts; None without one."""
    return _alarm.get()
