"""Files that only their owner may read: run history, logs and operational state, which quote what went wrong."""

import os
from contextlib import suppress
from pathlib import Path

_OF_SQLITE = ("", "-wal", "-shm", "-journal")
_HISTORY = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def make_private(path: Path) -> None:
    """Take what others may do with a file or folder away: 0600, or 0700. What is missing or not ours stays as it is."""
    with suppress(FileNotFoundError):
        status = path.stat()
        private = status.st_mode & 0o700
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(private)


def make_database_private(file: Path) -> None:
    """The same for a SQLite database with the files beside it."""
    for ending in _OF_SQLITE:
        make_private(file.with_name(f"{file.name}{ending}"))


def make_dagster_home_private(home: Path, run_id: str = "") -> None:
    """The same for DAGSTER_HOME, its databases, and the history and logs of one run."""
    if not (home / "dagster.yaml").is_file():  # no home of Dagster, whatever the variable says
        return
    make_private(home)
    for name in _HISTORY:
        make_database_private(home / name)
    if run_id:
        make_database_private(home / "history" / "runs" / f"{run_id}.db")
        for path in (home / "storage" / run_id).rglob("*"):
            make_private(path)
