"""One process at a time opens the storages of a DAGSTER_HOME.

Dagster creates its SQLite files when it first opens them, and two processes that do so at once leave a version table
with two revisions, which no process can open again (dagster-io/dagster#27390).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ml_platform.errors import PlatformError

_FILE = ".opening.lock"
_SECONDS = 120.0  # the first opening takes two of them, on a machine that others load


@contextmanager
def opening_turn(home: Path) -> Iterator[None]:
    """Hold the lock of a DAGSTER_HOME while the body opens storages in it. Nested turns of one thread share it.

    Raises PlatformError when another process holds it for two minutes.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / _FILE, is_singleton=True)  # of one path there is one, so that it can be taken again
    try:
        lock.acquire(timeout=_SECONDS)
    except Timeout:
        raise PlatformError(
            f"Another process has been opening the Dagster instance in {home} for {_SECONDS:.0f} s.",
            remedy=f"End the process that holds {home / _FILE}, and try again.",
        ) from None
    try:
        yield
    finally:
        lock.release()
