"""Worker processes that run one function of `programs` after another.

A server that has imported everything forks them: the imports cost 3.7 CPU s, more than what most are asked to do.
"""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_platform_tests.faults import programs

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([programs.__name__, "lightgbm"])


class Worker:
    """One process of `programs`; `messages` came on the way to its last result."""

    def __init__(self) -> None:
        self._connection, theirs = _SERVER.Pipe()
        self._process = _SERVER.Process(target=programs.answer_orders, args=(theirs, dict(os.environ)), daemon=True)
        self._process.start()
        theirs.close()
        self.messages: list[Any] = []

    def send(self, name: str, folder: Path, *arguments: Any) -> None:
        """Have it begin a function of `programs`."""
        self.messages = []
        self._connection.send((name, folder, *arguments))

    def next_message(self) -> Any:
        """Wait for the next message that is no result."""
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join(20)
            ended = f"process {self._process.pid} ended with {self._process.exitcode} before it answered"
        raise AssertionError(ended)

    def result(self) -> Any:
        """Wait for the result. Raises AssertionError with the trace when the function failed or the process died."""
        while True:
            message = self.next_message()
            if isinstance(message, dict) and "failed" in message:
                raise AssertionError(message["failed"])
            if isinstance(message, dict) and "done" in message:
                return message["done"]
            self.messages.append(message)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.join(20)
        self._connection.close()


@contextmanager
def started_workers(size: int) -> Iterator[list[Worker]]:
    """So many workers, ended at the end."""
    workers: list[Worker] = []
    try:
        workers += [Worker() for _ in range(size)]
        yield workers
    finally:
        for worker in workers:
            worker.kill()
