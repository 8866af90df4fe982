"""Which runs are alive: each holds a lock file while it goes, and the system lets go of it when the process is killed.

Dagster does not notice that a process of `ml-platform run`, or of a `dagster dev` that was killed, is
gone: such a run stays "started" and would keep its pipeline waiting for ever. And a run that was
killed did not fail: nothing has to be mended before it goes again.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ml_platform.settings import Settings


@contextmanager
def marked(settings: Settings, name: str) -> Iterator[None]:
    """Hold the mark `name` while the body goes."""
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def at_the_terminal(settings: Settings, pipeline: str) -> Iterator[None]:
    """Somebody brings a pipeline up to date with `ml-platform run`: sensors leave it alone, between its runs too."""
    with marked(settings, f"{_terminal(pipeline)}{uuid.uuid4().hex}"):
        yield


def terminal_works(settings: Settings, pipeline: str) -> bool:
    """Whether somebody does so now. Marks of processes that died are removed."""
    marks = [path for path in _folder(settings).glob(f"{_terminal(pipeline)}*") if not _let_go(path)]
    return bool(marks)


def died(settings: Settings, run_id: str) -> bool:
    """Whether the run began and its process was killed; said once, for the mark is removed.

    False as well for one that has not begun: nobody can tell.
    """
    path = _folder(settings) / run_id
    return path.exists() and _let_go(path)


def _let_go(path: Path) -> bool:
    """Whether nobody holds the mark any more; it is removed then."""
    lock = FileLock(path, timeout=0)
    with suppress(Timeout), lock:
        path.unlink(missing_ok=True)
        return True
    return False


def _terminal(pipeline: str) -> str:
    return f"terminal-{pipeline}-"


def _folder(settings: Settings) -> Path:
    return settings.lake / "locks" / "alive"
