"""The worker processes of a service: started, started again, and ended together."""

import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_platform import interrupts
from ml_platform.errors import ServingError
from ml_platform.serving.rest.listening import Listener

_GRACE = 25.0  # seconds until a worker that was asked to end is killed
_TRIES = 5  # ends of a worker within _WITHIN, never ready, after which the service gives up
_WITHIN = 60.0  # seconds


def worker_command(
    listener: Listener, lifeline: int, figures: Path, declared_by: str, pipelines: Sequence[str]
) -> list[str]:
    """The command of a process that answers (`rest.worker`).

    lifeline: the descriptor of its end. figures: the folder of its figures. declared_by: see the supervisor.
    """
    certificate = listener.certificate
    files = [str(certificate.chain), str(certificate.key)] if certificate else ["", ""]
    descriptors = [str(listener.socket.fileno()), str(lifeline)]
    module = "ml_platform.serving.rest.worker"
    return [sys.executable, "-m", module, *descriptors, *files, str(figures), declared_by, *pipelines]


@dataclass
class _Worker:
    """lifeline: the worker writes to it when it is ready. It ends when this process, and so our end of it, is gone."""

    process: subprocess.Popen[bytes]
    lifeline: socket.socket

    def has_answered(self) -> bool:
        """Whether it says so; it is asked again later."""
        try:
            return bool(self.lifeline.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except (BlockingIOError, ConnectionResetError):
            return False

    def was_ready(self) -> bool:
        """Whether it answered before it ended."""
        try:
            return bool(self.lifeline.recv(1, socket.MSG_DONTWAIT))
        except ConnectionResetError:
            return False


class Workers:
    """Keeps `count` processes running. None of them outlives this process.

    Args:
        count: How many.
        command: Makes the command of a worker from the file descriptor of its end of the lifeline.
        inherited: File descriptors that workers have besides.
        report: Hears of ends, one line each.
        environment: Variables of the processes; None: those of this one.
    """

    def __init__(
        self,
        count: int,
        command: Callable[[int], list[str]],
        inherited: Sequence[int],
        report: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = environment
        self._count, self._command, self._inherited, self._report = count, command, tuple(inherited), report
        self._workers: list[_Worker] = []
        self._unready_ends: deque[float] = deque()
        self._start_from = 0.0

    def restart(self, now: float | None = None) -> None:
        """Start workers that are missing; call it each second or so. After ends that were never ready it waits longer.

        Args:
            now: Seconds of the monotonic clock, when it is not that.

        Raises:
            ServingError: When workers end again and again before they are ready.
        """
        now = time.monotonic() if now is None else now
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            with worker.lifeline:
                self._ended(worker, now)
        if now >= self._start_from:
            while len(self._workers) < self._count:
                self._workers.append(self._started())

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [worker.process.pid for worker in self._workers]

    @property
    def any_ready(self) -> bool:
        """Whether a worker has answered."""
        return any(worker.has_answered() for worker in self._workers)

    def stop(self) -> None:
        """End all of them: requests under way are answered."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            try:
                worker.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.lifeline.close()
        self._workers.clear()

    def _ended(self, worker: _Worker, now: float) -> None:
        code = worker.process.returncode
        if worker.was_ready():
            self._report(f"A worker ended with code {code}; another one starts.")
            return
        self._unready_ends.append(now)
        while self._unready_ends[0] < now - _WITHIN:
            self._unready_ends.popleft()
        tries = len(self._unready_ends)
        if tries >= _TRIES * self._count:
            raise ServingError(
                f"Workers ended {tries} times within a minute before they were ready, the last one with code {code}.",
                remedy="The lines above say why.",
            )
        wait = 2.0 ** (tries // self._count)  # seconds: 2, 4, 8, 16 with one worker
        self._start_from = now + wait
        self._report(f"A worker ended with code {code} before it was ready; another one starts in {wait:.0f} seconds.")

    def _started(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs, interrupts.not_inherited():  # this process ends its workers, after Ctrl-C too
            number = theirs.fileno()
            process = subprocess.Popen(  # noqa: S603  # ours
                self._command(number), pass_fds=[*self._inherited, number], env=self._environment
            )
        return _Worker(process, ours)
