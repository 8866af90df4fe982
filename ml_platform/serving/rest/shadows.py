"""A worker's end of challengers: what it answered goes on to another process, and never waits for it (S28)."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe

from ml_platform import interrupts
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.shadow_requests import ShadowBatch, ShadowOutcome, ShadowRequest

MOST_ROWS = 20_000  # that wait; one larger request waits where nothing else does
_AT_ONCE = 64  # requests in one message
_RETRY = 2.0  # seconds from the end of a process to the start of the next one
_GRACE = 5.0  # seconds for the process to end
_COMMAND = (sys.executable, "-m", "ml_platform.serving.rest.shadow_worker")

_log = logging.getLogger(__name__)


class Shadows:
    """The queue of one worker, and the process that answers from it, which starts with the first request.

    Args:
        metrics: Count the rows by what became of them.
        command: Starts the process; the number of its file descriptor is added.
        drain: Seconds in which what waits is still answered when the worker stops.
    """

    def __init__(self, metrics: Metrics, command: Sequence[str] = _COMMAND, drain: float = 5.0) -> None:
        self._metrics, self._command, self._drain = metrics, tuple(command), drain
        self._waiting: deque[ShadowRequest | ShadowBatch] = deque()
        self._rows = 0  # in `_waiting`
        self._changed = threading.Condition()
        self._ends_at: float | None = None  # by the monotonic clock; None: it goes on
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def offer(self, request: ShadowRequest | ShadowBatch) -> None:
        """Put a request in the queue, or count it as dropped where the queue is full. It never waits."""
        with self._changed:
            has_room = not self._waiting or self._rows + request.count <= MOST_ROWS
            if has_room and self._ends_at is None:
                self._waiting.append(request)
                self._rows += request.count
                if self._thread is None:
                    self._thread = threading.Thread(target=self._send_all, name="shadows", daemon=True)
                    self._thread.start()
                self._changed.notify()
                return
        self._count(request, "dropped", request.count)

    def stop(self) -> None:
        """End the process, after it answered what waits where that takes no longer than seconds."""
        with self._changed:
            self._ends_at = time.monotonic() + self._drain
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(self._drain)
        with self._changed:
            self._is_closed = True  # a process that the thread starts now would never end
        self._end_process()
        if self._thread is not None:
            self._thread.join(_GRACE)

    def _send_all(self) -> None:
        while requests := self._next():
            try:
                connection = self._connection or self._started()
                connection.send(requests)
                outcomes: list[ShadowOutcome] = connection.recv()
            except (OSError, EOFError) as error:  # the process ended, or cannot start: the champion answers meanwhile
                if self._ends_at is None:
                    _log.warning("Challengers cannot be asked: %r; another process starts.", error)
                for request in requests:
                    self._count(request, "failed", request.count)
                self._end_process()
                with self._changed:
                    self._changed.wait_for(lambda: self._ends_at is not None, _RETRY)
                continue
            for request, outcome in zip(requests, outcomes, strict=True):
                self._count(request, "answered", outcome.answered)
                self._count(request, "failed", outcome.failed)

    def _next(self) -> list[ShadowRequest | ShadowBatch]:
        """The next requests; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ends_at is not None)
            if self._ends_at is not None and time.monotonic() > self._ends_at:
                while self._waiting:
                    request = self._waiting.popleft()
                    self._count(request, "dropped", request.count)
            requests = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            self._rows -= sum(request.count for request in requests)
        return requests

    def _started(self) -> Connection:
        with self._changed:
            if self._is_closed:
                raise EOFError
            ours, theirs = Pipe()
            with theirs, interrupts.not_inherited():  # it ends with its worker, after Ctrl-C too
                number = theirs.fileno()
                self._process = subprocess.Popen([*self._command, str(number)], pass_fds=[number])  # noqa: S603  # ours
            self._connection = ours
        return ours

    def _end_process(self) -> None:
        with self._changed:
            connection, self._connection = self._connection, None
            process, self._process = self._process, None
        if connection is not None:
            # First the end of the stream: closing alone would wake no thread that reads, nor the process.
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as ours:
                ours.shutdown(socket.SHUT_RDWR)
            connection.close()
        if process is not None:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _count(self, request: ShadowRequest | ShadowBatch, outcome: str, rows: int) -> None:
        self._metrics.shadows(request.challenger.pipeline, request.challenger.version, outcome, rows)
