"""Dagster's run and schedule storages on SQLite, opened by one process at a time; `dagster.yaml` names them.

The files are Dagster's own, so an instance may change between these storages and the default ones. The event log is in
`event_log`.
"""

from pathlib import Path

from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

from ml_platform.orchestration.opened_in_home import OpenedInHome
from ml_platform.orchestration.storage_faults import RUNS, SCHEDULES


class GuardedSqliteRunStorage(OpenedInHome, SqliteRunStorage):
    """Dagster's SQLite run storage."""

    FILE = RUNS

    @classmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> "GuardedSqliteRunStorage":
        """The storage of the runs in `history`."""
        return cls.from_local(str(home / "history"), inst_data)


class GuardedSqliteScheduleStorage(OpenedInHome, SqliteScheduleStorage):
    """Dagster's SQLite schedule storage."""

    FILE = SCHEDULES

    @classmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> "GuardedSqliteScheduleStorage":
        """The storage of the ticks in `schedules`."""
        return cls.from_local(str(home / "schedules"), inst_data)  # type: ignore[return-value]  # it says the base class, and makes this one
