"""Worker processes that run one function after another: their imports cost more than what they are asked to do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Worker:
    """One process of `programs`; `messages` came on the way to its last result."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "ml_platform_tests.faults.programs"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.messages: list[Any] = []
        assert self._line() == "ready"

    def send(self, name: str, folder: Path, *arguments: Any) -> None:
        """Have it begin a function of `programs`."""
        assert self.process.stdin is not None
        self.messages = []
        self.process.stdin.write(f"{json.dumps([name, str(folder), *arguments])}\n")
        self.process.stdin.flush()

    def next_message(self) -> Any:
        """Wait for the next message that is no result."""
        return self._line()

    def result(self) -> Any:
        """Wait for the result. Raises AssertionError with the trace when the function failed or the process died."""
        while True:
            message = self._line()
            if isinstance(message, dict) and "failed" in message:
                raise AssertionError(message["failed"])
            if isinstance(message, dict) and "done" in message:
                return message["done"]
            self.messages.append(message)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.communicate(timeout=20)

    def finish(self) -> None:
        """Let it end by itself."""
        self.process.communicate(timeout=20)

    def _line(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"process {self.process.pid} ended with {self.process.wait(20)} before it answered")
        return json.loads(line)


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
