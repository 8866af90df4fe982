"""Dagster's run and schedule storages on SQLite, opened by one process at a time; `dagster.yaml` names them.

The files are Dagster's own, so an instance may change between these storages and the default ones. The event log is in
`event_log`.
"""

from pathlib import Path
from typing import Any

from dagster import StringSource
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

from ml_platform.orchestration.opening_lock import opening_turn
from ml_platform.orchestration.storage_faults import RUNS, SCHEDULES, check_file


class GuardedSqliteRunStorage(SqliteRunStorage):
    """Dagster's SQLite run storage. Raises HomeBroken for a file that nobody could work with."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`home`: DAGSTER_HOME. Its `history` holds the runs, as by default."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "GuardedSqliteRunStorage":
        """Called by Dagster with the `config` of dagster.yaml."""
        home = Path(config_value["home"])
        with opening_turn(home):
            check_file(home, RUNS)
            return cls.from_local(str(home / "history"), inst_data)


class GuardedSqliteScheduleStorage(SqliteScheduleStorage):
    """Dagster's SQLite schedule storage. Raises HomeBroken for a file that nobody could work with."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """`home`: DAGSTER_HOME. Its `schedules` holds the ticks, as by default."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "GuardedSqliteScheduleStorage":
        """Called by Dagster with the `config` of dagster.yaml."""
        home = Path(config_value["home"])
        with opening_turn(home):
            check_file(home, SCHEDULES)
            return cls.from_local(str(home / "schedules"), inst_data)  # type: ignore[return-value]  # it says the base class, and makes this one
