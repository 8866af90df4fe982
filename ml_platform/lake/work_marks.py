"""Lock files of processes that are at work on a lake. The system releases them with the process."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def marked(lake: Path, name: str) -> Iterator[None]:
    """Hold the lock file `name` of the lake in that folder while the body runs."""
    folder = marks_folder(lake)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def at_work(lake: Path) -> list[str]:
    """The names of the marks whose process lives, sorted."""
    return [path.name for path in sorted(marks_folder(lake).glob("*")) if _is_held(path)]


def marks_folder(lake: Path) -> Path:
    """Where the lock files are."""
    return lake / "locks" / "alive"


def _is_held(path: Path) -> bool:
    with suppress(Timeout), FileLock(path, timeout=0):
        return False
    return path.exists()
