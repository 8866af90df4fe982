"""Detects runs whose process was killed: each run holds a lock file, which the system releases with the process.

Dagster does not notice that a process of `ml-platform run`, or of a killed `dagster dev`, is gone. Such a run
stays "started" and would block its pipeline for ever. A killed run did not fail, so it can start again as it is.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ml_platform.lake import work_marks
from ml_platform.settings import Settings

_TERMINAL = "terminal-"


@contextmanager
def marked(settings: Settings, name: str) -> Iterator[None]:
    """Hold the lock file `name` while the body runs."""
    with work_marks.marked(settings.lake, name):
        yield


@contextmanager
def at_the_terminal(settings: Settings, pipeline: str) -> Iterator[None]:
    """Marks a pipeline as being run by `ml-platform run`. Sensors skip it until the command ends."""
    with marked(settings, f"{_terminal(pipeline)}{uuid.uuid4().hex}"):
        yield


def terminal_works(settings: Settings, pipeline: str) -> bool:
    """Whether `ml-platform run` works on the pipeline now. Lock files of dead processes are removed."""
    marks = [path for path in _folder(settings).glob(f"{_terminal(pipeline)}*") if not _let_go(path)]
    return bool(marks)


def died(settings: Settings, run_id: str) -> bool:
    """Whether the run started and its process was killed. True once only, because the lock file is removed.

    False for a run that has not started: its process is not known.
    """
    path = _folder(settings) / run_id
    return path.exists() and _let_go(path)


def is_marked(settings: Settings, run_id: str) -> bool:
    """Whether the run has a lock file: its process holds it, or was killed."""
    return (_folder(settings) / run_id).exists()


def marks(settings: Settings) -> list[str]:
    """The names of all lock files, sorted: of what is at work, and of processes that were killed."""
    try:
        return sorted(os.listdir(_folder(settings)))  # noqa: PTH208  iterdir makes a path of each; every tick asks
    except FileNotFoundError:
        return []


def is_dead(settings: Settings, run_id: str) -> bool:
    """The same without removing the lock file, for who only looks."""
    path = _folder(settings) / run_id
    if not path.exists():
        return False
    with suppress(Timeout), FileLock(path, timeout=0):
        return True
    return False


def remove_marks_of_the_dead(settings: Settings, is_over: Callable[[str], bool | None], limit: datetime) -> int:
    """Remove lock files that killed processes left and nobody asks for any more; how many.

    A mark of the terminal goes as soon as its process is gone. That of a run tells a sensor that the run was killed, so
    it goes when the run is over. Where Dagster does not know the run (None), it goes when it is older than `limit`.
    """
    removed = 0
    for path in sorted(_folder(settings).glob("*")):
        over = True if path.name.startswith(_TERMINAL) else is_over(path.name)
        with suppress(FileNotFoundError):
            removed += (path.stat().st_mtime < limit.timestamp() if over is None else over) and _let_go(path)
    return removed


def _let_go(path: Path) -> bool:
    """Whether the lock is released. The lock file is removed then."""
    lock = FileLock(path, timeout=0)
    with suppress(Timeout), lock:
        path.unlink(missing_ok=True)
        return True
    return False


def _terminal(pipeline: str) -> str:
    return f"{_TERMINAL}{pipeline}-"


def _folder(settings: Settings) -> Path:
    return work_marks.marks_folder(settings.lake)
