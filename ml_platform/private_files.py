"""Files that only their owner may read, such as logs and the operational state, which quote what went wrong."""

import os
from contextlib import suppress
from pathlib import Path

_OF_SQLITE = ("", "-wal", "-shm", "-journal")


def make_private(path: Path) -> None:
    """Take what others may do with a file or folder away: 0600, or 0700. What is missing or not ours stays as it is."""
    with suppress(FileNotFoundError):
        status = path.stat()
        private = status.st_mode & 0o700
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(private)


def create_private(file: Path) -> None:
    """Create an empty file with mode 0600, and its folders, unless it is there.

    SQLite takes an empty file for a new database, and gives the files beside it the same mode. What is there is not
    opened: closing it would release the locks that this process has on it as a database, and the next process that
    closes the database would remove the log in use (SQLite, "How To Corrupt An SQLite Database File", 2.2).
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def make_database_private(file: Path) -> None:
    """The same for a SQLite database with the files beside it."""
    for ending in _OF_SQLITE:
        make_private(file.with_name(f"{file.name}{ending}"))
