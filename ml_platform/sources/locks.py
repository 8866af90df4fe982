"""One process at a time reads the source of a table."""

from contextlib import AbstractContextManager

from ml_platform.errors import LakeError
from ml_platform.lake.locking import hold_lock_file
from ml_platform.settings import Settings


def table_lock(settings: Settings, table: str) -> AbstractContextManager[None]:
    """Hold the lock of the table of that name. Raises LakeError after `lock_timeout` seconds."""
    path, timeout = settings.lake / "locks" / f"{table}.lock", settings.lock_timeout

    def busy() -> LakeError:
        return LakeError(
            f"Another process has been reading the source of {table} for {timeout:.0f} s and holds {path}.",
            remedy="Wait for its end, stop it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
        )

    return hold_lock_file(path, timeout, busy)
