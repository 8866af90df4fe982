"""What changes with every commit to lake and operational state, looked up without opening either."""

from pathlib import Path

from ml_platform.lake.lost_catalog import catalog_file
from ml_platform.settings import Settings
from ml_platform.state import engine

_LOG = "-wal"  # SQLite's log: a commit is written there first
_NO_FILE = (0, 0, 0)


def of_files(settings: Settings) -> list[tuple[int, int, int]]:
    """Inode, size in bytes and time of modification in ns of the SQLite files of catalog and state, and of their logs.

    Zeros stand for a file that is not there or is empty: who only reads makes an empty log and removes it. The system's
    clock for files ticks every 4 ms to 10 ms: of two commits in one tick the second may leave them as they are.
    """
    files = (catalog_file(settings), engine.path(settings))
    return [_status(file.with_name(f"{file.name}{suffix}")) for file in files for suffix in ("", _LOG)]


def _status(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _NO_FILE
    return (status.st_ino, status.st_size, status.st_mtime_ns) if status.st_size else _NO_FILE
