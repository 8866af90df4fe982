"""A child process that answers questions, one JSON line each way. It starts on demand and ends with this process.

Starting an interpreter and importing what a question needs costs seconds; a process that stays pays them once. It runs
as long as its standard input is open, so it cannot outlive its parent, even one that was killed. When it dies, is
interrupted or takes too long, that question fails, and the next one starts another process.
"""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from ml_platform.escaping import printable
from ml_platform.redaction import without_secrets

_LINE = 300  # characters


class ChildEnded(Exception):
    """The process ended or was stopped before it answered. `how` completes "The process …"."""

    def __init__(self, how: str, last_line: str, signal_number: int | None) -> None:
        super().__init__(f"The process {how}. {last_line}".strip())
        self.how, self.last_line, self.signal_number = how, last_line, signal_number


class Cancellation:
    """With this another thread takes back a question that was asked with it. It ends the process that answers it."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        for end in (self._read_end, self._write_end):
            weakref.finalize(self, os.close, end)

    def fileno(self) -> int:
        """What becomes readable, and stays so, once the question is taken back."""
        return self._read_end

    def cancel(self) -> None:
        """Take the question back, whether it was asked, is yet to be asked, or was answered."""
        os.write(self._write_end, b" ")


class ChildProcess:
    """The process and the way to ask it. Threads wait for one another.

    Args:
        module: What it runs; its `main` calls `answer_questions`.
        start_limit: Seconds until it is ready.
        answer_limit: Seconds for one answer; None waits as long as it takes.
    """

    def __init__(self, module: str, *, start_limit: float, answer_limit: float | None) -> None:
        self._module, self._start_limit, self._answer_limit = module, start_limit, answer_limit
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._ready = False
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Begin to start the process, without waiting, when there is none."""
        with self._turn:
            self._begin()

    def ask(self, question: Mapping[str, Any], cancellation: Cancellation | None = None) -> dict[str, Any]:
        """The answer to a question.

        Raises ChildEnded when the process fails, dies or takes too long, and when the question is taken back.
        """
        with self._turn:
            process = self._begin()
            try:
                if not self._ready:
                    self._line(process, self._start_limit, "to start", cancellation)
                    self._ready = True
                assert process.stdin is not None  # piped below
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                answer: dict[str, Any] = json.loads(self._line(process, self._answer_limit, "to answer", cancellation))
            except BrokenPipeError:
                raise self._ended("ended before it was asked") from None
            except BaseException:  # an interrupt too: the answer would be taken for that of the next question
                self.close()
                raise
        return answer

    def close(self) -> None:
        """End the process and what it started."""
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        for pipe in (process.stdin, process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a question that a dead process did not take
                    pipe.close()
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)  # it keeps nothing, and its own way out takes seconds
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

    def _line(
        self, process: "subprocess.Popen[bytes]", seconds: float | None, what: str, cancellation: Cancellation | None
    ) -> bytes:
        """The next line of its answers, within that time and before the question is taken back."""
        assert process.stdout is not None  # piped above
        deadline, line = None if seconds is None else time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if cancellation is not None:
                selector.register(cancellation, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                remaining = None if deadline is None else deadline - time.monotonic()
                ready = [] if remaining is not None and remaining <= 0 else selector.select(remaining)
                if not ready:
                    raise self._ended(f"took more than {seconds:g} s {what} and was stopped")
                if any(key.fileobj is cancellation for key, _ in ready):
                    raise self._ended("was stopped, because nobody waits for its answer")
                some = os.read(process.stdout.fileno(), 65_536)
                if not some:
                    raise self._ended("ended without an answer")
                line += some
        return line

    def _ended(self, how: str) -> ChildEnded:
        process = self._process
        last_line = last_line_of(self._errors) if self._errors is not None else ""
        self.close()
        code = process.returncode if process is not None else None
        return ChildEnded(how, last_line, -code if code is not None and code < 0 else None)


def last_line_of(errors: IO[bytes]) -> str:
    """The last line of a process's file of errors: without secrets, at most 300 characters, all of them printed."""
    errors.seek(0)
    lines = without_secrets(errors.read().decode(errors="replace")).strip().splitlines()
    return printable(lines[-1][:_LINE]) if lines else ""


def answer_questions(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """The child's side: answer until there are no more questions; the end of standard input ends the process."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, answer(json.loads(line)))


def _say(stream: IO[str], answer: Mapping[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()
