"""Dagster's event log on SQLite, with connections that stay open; `dagster.yaml` names it.

Dagster opens the database again for each event. `python -m bench.event_log` measures 1.5 to 1.7 times the CPU time of a
run with this storage, and 1.5 to 2.2 times its wall time. The files are Dagster's own, so an instance may change
between this storage and the default one.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_event_log.py` exercises:
`SqliteEventLogStorage` with `_connect` (overridden), `_initdb`, `_initialized_dbs` and `_db_lock`; the modules of
`SQLITE_BUSY_TIMEOUT_SECONDS` and `ConfigurableClassData`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine

from ml_platform.orchestration.opened_in_home import OpenedInHome
from ml_platform.orchestration.private_home import make_dagster_home_private
from ml_platform.orchestration.storage_faults import EVENTS
from ml_platform.private_files import make_database_private

_OPEN = 8  # databases: one for each run that is written or looked at, and the index


class PooledSqliteEventLogStorage(OpenedInHome, SqliteEventLogStorage):
    """Dagster's SQLite storage with pooled connections. The least recently used database is closed first."""

    FILE = EVENTS

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def in_home(cls, home: Path, inst_data: ConfigurableClassData | None) -> "PooledSqliteEventLogStorage":
        """The storage of the log in `history/runs`."""
        make_dagster_home_private(home)
        return cls(str(home / "history" / "runs"), inst_data)

    def wipe(self) -> None:
        """Remove all events. The files are deleted, so all connections are closed first."""
        self._close()
        super().wipe()

    def close_shard(self, shard: str) -> None:
        """Close the database of one run; the next use opens it again."""
        with self._db_lock:
            self._initialized_dbs.discard(shard)
            if (engine := self._engines.pop(shard, None)) is not None:
                engine.dispose()

    def dispose(self) -> None:
        """Close all connections."""
        super().dispose()
        self._close()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
                make_database_private(Path(self.path_for_shard(shard)))
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            address = self.conn_string_for_shard(shard)
            self._engines[shard] = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
            if len(self._engines) > _OPEN:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _close(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()


def remove_log(storage: EventLogStorage, run_id: str) -> bool:
    """Remove the file that holds the log of one run; whether there was one.

    Events of assets and checks are in the index as well, and stay there. A storage without such files is left alone.
    """
    if not isinstance(storage, SqliteEventLogStorage):
        return False
    if isinstance(storage, PooledSqliteEventLogStorage):
        storage.close_shard(run_id)
    path = Path(storage.path_for_shard(run_id))
    was_there = path.exists()
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)
    storage._initialized_dbs.discard(run_id)  # else a later look would find no tables
    return was_there


def log_files(home: Path) -> list[Path]:
    """The files of the event log in DAGSTER_HOME that hold events of all runs."""
    return [home / "history" / "runs" / f"{INDEX_SHARD_NAME}.db"]
