"""One process at a time reads the source of a table."""

from filelock import FileLock

from ml_platform.settings import Settings


def table_lock(settings: Settings, table: str) -> FileLock:
    """The lock of the table of that name."""
    folder = settings.lake / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{table}.lock", timeout=settings.lock_timeout)
