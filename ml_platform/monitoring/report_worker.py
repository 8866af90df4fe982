"""A child process that draws reports. It starts on demand and ends with this process.

It runs as long as its standard input is open, so it cannot outlive its parent, even one that was killed. When it
dies or takes too long, that report fails and the next one starts another process.
"""

import atexit
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any

from ml_platform.errors import ReportError

START = 120.0  # seconds until it is ready; measured 4 to 6 on a quiet machine
LIMIT = 60.0  # seconds for one report; measured 2
_MODULE = "ml_platform.monitoring.evidently_report"


class ReportWorker:
    """The process and the way to ask it. Threads wait for one another."""

    def __init__(self, *, module: str = _MODULE, start: float = START, limit: float = LIMIT) -> None:
        self._module, self._start, self._limit = module, start, limit
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Begin to start the process, without waiting, when there is none."""
        with self._turn:
            self._begin()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """What `evidently_report.rendered` answers. Raises ReportError when it fails, dies or takes too long."""
        with self._turn:
            process = self._begin()
            if not self._ready:
                self._line(process, self._start, "to start")
                self._ready = True
            assert process.stdin is not None  # piped below
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                raise self._failed("ended before it was asked") from None
            answer: dict[str, Any] = json.loads(self._line(process, self._limit, "for one report"))
        if "error" in answer:
            raise ReportError(f"Evidently could not draw the report: {answer['error']}.", remedy=_SAMPLE)
        return answer

    def close(self) -> None:
        """End the process."""
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        for pipe in (process.stdin, process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a question that a dead process did not take
                    pipe.close()
        process.kill()  # it keeps nothing, and its own way out takes seconds
        process.wait()

    def _begin(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        # The same modules as here, whatever was put on the path; and it does not hear this terminal's Ctrl-C.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "DO_NOT_TRACK": "1"}
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter with a module of ours
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )
        return self._process

    def _line(self, process: "subprocess.Popen[bytes]", seconds: float, what: str) -> bytes:
        """The next line of its answers, within that time."""
        assert process.stdout is not None  # piped above
        deadline, got = time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not got.endswith(b"\n"):
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not selector.select(remaining):
                    raise self._failed(f"took more than {seconds:g} s {what} and was stopped")
                some = os.read(process.stdout.fileno(), 65_536)
                if not some:
                    raise self._failed("ended without an answer")
                got += some
        return got

    def _failed(self, how: str) -> ReportError:
        last = ""
        if self._errors is not None:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            last = f" Its last words: {lines[-1][:300]}" if lines else ""
        self.close()
        return ReportError(f"The process that draws reports {how}.{last}", remedy="The next run tries again.")


_SAMPLE = "The figures are in the drift table; Drift(report_columns=…) draws fewer columns."


@lru_cache(maxsize=1)
def worker() -> ReportWorker:
    """The one of this process."""
    started = ReportWorker()
    atexit.register(started.close)
    return started
