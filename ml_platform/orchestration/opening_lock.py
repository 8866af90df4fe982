"""One process at a time opens the storages of a DAGSTER_HOME.

Dagster creates its SQLite files when it first opens them, and two processes that do so at once leave a version table
with two revisions, which no process can open again (dagster-io/dagster#27390).
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ml_platform.errors import PlatformError
from ml_platform.lake.locking import hold_lock_file

_FILE = ".opening.lock"
_SECONDS = 120.0  # the first opening takes two of them, on a machine that others load


@contextmanager
def opening_turn(home: Path) -> Iterator[None]:
    """Hold the lock of a DAGSTER_HOME while the body opens storages in it. Nested turns of one thread share it.

    Raises PlatformError when another process holds it for two minutes.
    """

    def busy() -> PlatformError:
        return PlatformError(
            f"Another process has been opening the Dagster instance in {home} for {_SECONDS:.0f} s.",
            remedy=f"End the process that holds {home / _FILE}, and try again.",
        )

    # Faults of its disk are explained by whoever opens the instance, with its variable.
    with hold_lock_file(home / _FILE, _SECONDS, busy, nested=True, explaining=nullcontext):
        yield
