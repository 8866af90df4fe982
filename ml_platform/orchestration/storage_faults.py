"""Recognises a broken DAGSTER_HOME by its SQLite files, and says how to repair it.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_storages.py` exercises:
the names of the files, and the metadata and Alembic scripts of its three SQLite storages.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shlex import quote

from ml_platform.errors import PlatformError

_BUSY_SECONDS = 30.0


@dataclass(frozen=True)
class SqliteFile:
    """One SQLite file of Dagster: where it lies under DAGSTER_HOME, and the module and name of its metadata."""

    path: str
    package: str
    metadata: str

    @property
    def folder(self) -> str:
        """What is moved away to have it made anew."""
        return self.path.partition("/")[0]


RUNS = SqliteFile("history/runs.db", "runs", "RunStorageSqlMetadata")
EVENTS = SqliteFile("history/runs/index.db", "event_log", "SqlEventLogStorageMetadata")
SCHEDULES = SqliteFile("schedules/schedules.db", "schedules", "ScheduleStorageSqlMetadata")
FILES = (RUNS, EVENTS, SCHEDULES)


class HomeBroken(PlatformError):
    """A file of DAGSTER_HOME cannot be used; the remedy repairs it."""


def check_file(home: Path, file: SqliteFile, *, deep: bool = False) -> None:
    """Raise HomeBroken for a file that is damaged, lacks tables or has several revisions. A missing file is none.

    `deep`: read the whole file, for damage that only some queries meet.
    """
    path = home / file.path
    if not path.exists():
        return
    try:
        revisions, tables = _read(path, deep=deep)
    except sqlite3.OperationalError:
        return  # locked, or not to be opened: whoever opens it says so
    except sqlite3.DatabaseError as error:
        raise HomeBroken(f"{path} is damaged: {error}.", remedy=_anew(home, file)) from None
    if len(revisions) > 1:
        raise HomeBroken(
            f"{path} has {len(revisions)} revisions in its version table: two processes created it at once.",
            remedy=f"End Dagster, then: sqlite3 {quote(str(path))} "
            f"\"DELETE FROM alembic_version WHERE version_num <> '{_head(file)}'\". It keeps the history of runs.",
        )
    lacking = sorted(_expected(file) - tables)
    if lacking and revisions == [_head(file)]:  # of an older one Dagster asks for `dagster instance migrate`
        raise HomeBroken(f"{path} lacks the tables {', '.join(lacking)}.", remedy=_anew(home, file))


def broken_files(home: Path, *, deep: bool = False) -> Iterator[HomeBroken]:
    """Every fault of the SQLite files in a DAGSTER_HOME."""
    for file in FILES:
        try:
            check_file(home, file, deep=deep)
        except HomeBroken as fault:
            yield fault


def _read(path: Path, *, deep: bool) -> tuple[list[str], set[str]]:
    """The revisions and the tables. Raises sqlite3.DatabaseError for a file that is damaged."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        revisions = []
        if "alembic_version" in tables:
            revisions = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
        if deep:
            (outcome,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if outcome != "ok":
                raise sqlite3.DatabaseError(outcome)
        return revisions, tables


def _expected(file: SqliteFile) -> set[str]:
    schema = import_module(f"dagster._core.storage.{file.package}.schema")
    return set(getattr(schema, file.metadata).tables)


def _head(file: SqliteFile) -> str:
    """The revision that this version of Dagster stamps a new file with."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage.sql import get_alembic_config

    package = import_module(f"dagster._core.storage.{file.package}.sqlite")
    head = ScriptDirectory.from_config(get_alembic_config(str(package.__file__))).as_revision_number("head")
    return str(head[0] if isinstance(head, tuple) else head)


def _anew(home: Path, file: SqliteFile) -> str:
    folder = home / file.folder
    return (
        f"End Dagster, then: mv {quote(str(folder))} {quote(f'{folder}.broken')}. The next start makes it anew. It "
        "holds Dagster's own history only; tables, versions and decisions are in the lake."
    )
