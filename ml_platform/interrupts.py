"""Remembers that Ctrl-C arrived, whatever a library makes of it.

An interrupt surfaces as whatever the library under way raises: KeyboardInterrupt, `RuntimeError: Query interrupted` of
DuckDB, `AttributeError: partially initialized module`, or nothing. And libraries put handlers of their own in place of
Python's. The file descriptor of `signal.set_wakeup_fd` hears of every signal all the same, before any handler runs.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EXIT_CODE = 128 + signal.SIGINT
_SIGNALS = {signal.SIGINT, signal.SIGTERM}  # Dagster takes SIGTERM for Ctrl-C
_ONE_PRESS = 0.3  # seconds: `timeout -s INT` and others send one Ctrl-C to the process and to its group


@dataclass
class _Listener:
    hears: socket.socket
    wakes: socket.socket  # the signal handler writes to it
    at_once: Callable[[], None]
    first: float | None = None  # of the monotonic clock
    turn: threading.RLock = field(default_factory=threading.RLock)  # the collector may call `arrived` within

    def watch(self) -> None:
        while True:
            self.hears.recv(1, socket.MSG_PEEK)  # waits
            self.look()

    def look(self) -> bool:
        """Whether a signal arrived. The second one ends the process."""
        with self.turn:
            try:
                signals = self.hears.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                signals = b""
            if _SIGNALS.intersection(signals):
                now = time.monotonic()
                if self.first is None:
                    self.first = now
                elif now - self.first > _ONE_PRESS:
                    self.at_once()
                    os._exit(EXIT_CODE)
            return self.first is not None


_listeners: list[_Listener] = []  # one, or none


def listen(at_once: Callable[[], None]) -> None:
    """Remember from now on that SIGINT arrived; for the main thread of a command.

    The first one takes its usual way. A second one calls `at_once` and ends the process there, as a kill does: what is
    finished is kept.
    """
    hears, wakes = socket.socketpair()
    wakes.setblocking(False)
    listener = _Listener(hears, wakes, at_once)
    _listeners[:] = [listener]
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listener.watch, name="interrupts", daemon=True).start()
    _silence_its_doing()


def _silence_its_doing() -> None:
    """Print no trace of what the interrupt broke in a library: in a finalizer, or logged by one that nobody reads."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None if arrived() else hook(unraisable)
    if logging.lastResort is not None:
        logging.lastResort.addFilter(lambda _: not arrived())


def arrived() -> bool:
    """Whether SIGINT arrived since `listen`; False where nobody listens."""
    return any(listener.look() for listener in _listeners)


def stop_if_arrived() -> None:
    """Raise KeyboardInterrupt if SIGINT arrived.

    Call it where an error is about to be recorded, told, tried again or passed over, and before the next long work.
    """
    if arrived():
        raise KeyboardInterrupt


@contextmanager
def not_inherited() -> Iterator[None]:
    """Processes that start in the body never hear Ctrl-C, which a terminal sends to every process of its group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
