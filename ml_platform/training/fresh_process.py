"""Fresh processes in which models are trained again, forked from one that has done nothing but import.

Each question is answered by a process of its own, which shares no state with the one that trained the model nor with
an earlier answer. Forking it costs milliseconds; starting an interpreter and its imports costs more than a second.
Neither polars nor LightGBM is used before the fork, because their threads do not survive one.
"""

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_platform.child_process import answer_questions, last_line_of
from ml_platform.errors import PlatformError
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.training.reproduction import reproduce_here


def answered_by_a_fork(question: dict[str, Any], work: Callable[..., dict[str, Any]] | None = None) -> dict[str, Any]:
    """The answer of a forked process, or how it ended without one: `ended`, `last_line` of its errors, `signal`.

    `work` is called with the question's `arguments`, in its `environment`. None trains a bundle again.
    """
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _answer_and_exit(question, work or _reproduced, writing, errors.fileno())
        os.close(writing)
        with os.fdopen(reading) as answers:
            answer = answers.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            return dict(json.loads(answer))
        last_line = last_line_of(errors)
    return {"ended": f"ended with code {code}", "last_line": last_line, "signal": -code if code < 0 else None}


def _answer_and_exit(question: dict[str, Any], work: Callable[..., dict[str, Any]], writing: int, errors: int) -> None:
    """In the fork: never returns, so that nothing of the forking process goes on here."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of the forking process would raise in the work
        os.dup2(errors, 2)
        os.environ.clear()
        os.environ.update(question["environment"])
        answer = json.dumps(work(*question["arguments"])).encode()
        with os.fdopen(writing, "wb") as answers:
            answers.write(answer)
        code = 0
    except BaseException:  # whatever it is, the reader of `errors` names it
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _reproduced(folder: str, training_set: str, bundle: str) -> dict[str, Any]:
    settings = Settings(data=Path(folder).parent)
    blobs = Blobs(settings)
    blobs.folder = Path(folder)
    try:
        return asdict(reproduce_here(blobs, training_set, bundle, threads=settings.threads))
    except PlatformError as error:
        return {"refused": str(error), "kind": type(error).__name__}


def main() -> None:
    """Fork an answer to each question until there are no more."""
    import ml_platform.models.bundle
    import ml_platform.models.registry
    import ml_platform.models.training_data
    import ml_platform.training.environment
    import ml_platform.training.training_plan  # noqa: F401  # imported before the forks, which need them

    answer_questions(answered_by_a_fork)


if __name__ == "__main__":
    main()
