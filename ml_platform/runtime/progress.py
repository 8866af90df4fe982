"""Reports progress, stages of long steps and alerts of the current thread to a listener."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, str], None]  # asset, partition
Alarm = Callable[[str], None]
Hearer = Callable[[str], None]  # of what the step does now
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_alarm: ContextVar[Alarm | None] = ContextVar("alarm", default=None)
_hearer: ContextVar[Hearer | None] = ContextVar("hearer", default=None)


def listen(listener: Listener | None, alarm: Alarm | None = None, hearer: Hearer | None = None) -> None:
    """Call `listener` at the start of every step of this thread, `alarm` with the line of every alert.

    `hearer` is called with what a long step does now.

    None stops the calls.
    """
    _listener.set(listener)
    _alarm.set(alarm)
    _hearer.set(hearer)


def announce(asset: str, partition: str) -> None:
    """Report that a step of this thread starts."""
    listener = _listener.get()
    if listener is not None:
        listener(asset, partition)


def stage(text: str) -> None:
    """Report what a long step of this thread does now."""
    hearer = _hearer.get()
    if hearer is not None:
        hearer(text)


@contextmanager
def stages_heard(hearer: Hearer) -> Iterator[None]:
    """Call `hearer`, too, with what the steps of this thread do in the body."""
    before = _hearer.get()

    def both(text: str) -> None:
        hearer(text)
        if before is not None:
            before(text)

    token = _hearer.set(both)
    try:
        yield
    finally:
        _hearer.reset(token)


def alarm() -> Alarm | None:
    """The listener for alerts; None without one."""
    return _alarm.get()
