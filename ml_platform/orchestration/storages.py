"""Dagster's run and schedule storages on SQLite, opened by one process at a time; `dagster.yaml` names them.

Their connections stay open: Dagster opens the database again for each statement, and a tick of a sensor has six. The
files are Dagster's own, so an instance may change between these storages and the default ones. The event log is in
`event_log`.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_storages.py` exercises:
`_conn_string` and `connect` (overridden) of both storages, `dispose`, and of the schedule storage `has_built_index`,
`has_instigators_table` and `_has_instigators_table` (overridden).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

from ml_platform.orchestration.opened_in_home import OpenedInHome
from ml_platform.orchestration.storage_faults import RUNS, SCHEDULES
from ml_platform.private_files import create_private


class _KeptOpen:
    """Connects to the database of a storage through one engine, whose connections are used again."""

    _conn_string: str

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end and rolled back when the body raises."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close all connections. The next use opens one again."""
        self._engine.dispose()

    @cached_property
    def _engine(self) -> Engine:
        return create_engine(self._conn_string, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, max_overflow=-1)


class GuardedSqliteRunStorage(OpenedInHome, _KeptOpen, SqliteRunStorage):
    """Dagster's SQLite run storage."""

    FILE = RUNS

    @classmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> "GuardedSqliteRunStorage":
        """The storage of the runs in `history`."""
        create_private(home / cls.FILE.path)
        return cls.from_local(str(home / "history"), inst_data)


class GuardedSqliteScheduleStorage(OpenedInHome, _KeptOpen, SqliteScheduleStorage):
    """Dagster's SQLite schedule storage.

    A table or a data migration that was there is not looked for again: Dagster does so a dozen times a tick.
    """

    FILE = SCHEDULES

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._built: set[str] = set()
        self._has_instigators = False
        super().__init__(conn_string, inst_data)

    def has_built_index(self, migration_name: str) -> bool:
        """Whether a data migration was done."""
        if migration_name not in self._built and super().has_built_index(migration_name):
            self._built.add(migration_name)
        return migration_name in self._built

    def _has_instigators_table(self, conn: Connection) -> bool:
        self._has_instigators = self._has_instigators or super()._has_instigators_table(conn)
        return self._has_instigators

    def has_instigators_table(self) -> bool:
        """Whether the table of newer instances is there."""
        return self._has_instigators or super().has_instigators_table()

    @classmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> "GuardedSqliteScheduleStorage":
        """The storage of the ticks in `schedules`."""
        create_private(home / cls.FILE.path)
        return cls.from_local(str(home / "schedules"), inst_data)  # type: ignore[return-value]  # it says the base class, and makes this one
