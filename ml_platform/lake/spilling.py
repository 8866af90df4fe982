"""Where queries put what memory does not hold, and by which lock others see that the folder is in use.

A process may have a lake open for weeks, and spill then. Its folder's age says nothing, so it holds a lock file.
"""

import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_SPILL = "spill-"


class SpillFolder:
    """A new spill folder of this process, of which DuckDB makes and removes the content.

    parent: where spill folders lie: the lake's own disk, or that of temporary files where the lake is only read.
    """

    def __init__(self, lake: Path, *, read_only: bool) -> None:
        self.parent = Path(tempfile.gettempdir()) if read_only else lake / "staging"
        # Not DuckDB's default: `.tmp` where the command was typed, under names that two processes would share.
        self.path = self.parent / f"{_SPILL}{uuid.uuid4().hex}"
        self._lock = FileLock(_lock_of(lake, self.path), thread_local=False)  # any thread may close the lake

    def hold(self) -> None:
        """Keep maintenance from removing the folder, until `release`."""
        # A disk without room for an empty file must not keep maintenance itself from opening the lake.
        with suppress(OSError):
            Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=1)

    def release(self) -> None:
        """Let others remove what is left of the folder."""
        if self._lock.is_locked:
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()


def in_use(lake: Path, path: Path) -> bool:
    """Whether `path` is a spill folder, or the lock of one, whose process is alive."""
    lock = _lock_of(lake, path)
    if not path.name.startswith(_SPILL) or not lock.exists():
        return False
    with suppress(Timeout), FileLock(lock, timeout=0):
        return False
    return True


def locks(lake: Path) -> Path:
    """The folder of the locks, one for each spill folder, under its name."""
    return lake / "locks" / "spills"


def _lock_of(lake: Path, path: Path) -> Path:
    return locks(lake) / path.name
