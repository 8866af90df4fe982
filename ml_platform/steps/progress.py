"""Telling whoever waits what is being done now."""

from collections.abc import Callable
from contextvars import ContextVar

Listener = Callable[[str, str], None]  # asset, partition
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def listen(listener: Listener | None) -> None:
    """Call `listener` at the start of every step that this thread runs from now on; None ends it."""
    _listener.set(listener)


def announce(asset: str, partition: str) -> None:
    """A step of this thread begins."""
    listener = _listener.get()
    if listener is not None:
        listener(asset, partition)
