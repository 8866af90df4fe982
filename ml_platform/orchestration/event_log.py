"""Dagster's event log on SQLite, with connections that stay open; `dagster.yaml` names it.

Dagster opens the database again for each event. `python -m bench.event_log` measures 1.5 to 1.7 times the CPU time of a
run with this storage, and 1.5 to 2.2 times its wall time. The files are Dagster's own, so an instance may change
between this storage and the default one.

An event that is written survives the end of its process. A power failure may take the newest ones: what is shown of a
run may then lack its last lines. Nothing is decided by them; the operational state of the platform waits for the disk.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_event_log.py` exercises:
`SqliteEventLogStorage` with `_connect`, `_initdb` and `fetch_materializations` (overridden), `_initialized_dbs` and
`_db_lock`, and that a run's file has the same tables and nothing of the run when it is made; the tables `event_logs`
and `asset_keys` of the index; the modules of `SQLITE_BUSY_TIMEOUT_SECONDS` and `ConfigurableClassData`.
"""

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from dagster import AssetKey, AssetRecordsFilter, EventRecordsResult
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, text

from ml_platform.orchestration.opened_in_home import OpenedInHome
from ml_platform.orchestration.private_home import make_dagster_home_private
from ml_platform.orchestration.storage_faults import EVENTS
from ml_platform.private_files import create_private, make_database_private

_NEWEST = text(
    "SELECT (SELECT max(id) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' "
    "AND asset_key = :asset AND partition = :partition), "
    "(SELECT max(wipe_timestamp) FROM asset_keys WHERE asset_key = :asset)"
)
_OPEN = 8  # databases: one for each run that is written or looked at, and the index


class PooledSqliteEventLogStorage(OpenedInHome, SqliteEventLogStorage):
    """Dagster's SQLite storage with pooled connections. The least recently used database is closed first."""

    FILE = EVENTS

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()  # of the index, which were seen
        self._last_read: tuple[tuple[Any, ...], EventRecordsResult] | None = None
        self._empty_log = b""  # the file of a run without events, once this process has made one
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

    def has_table(self, table_name: str) -> bool:
        """Whether the index has that table. Dagster asks twice for each check and drops none."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> EventRecordsResult:
        """As Dagster does. The newest of one partition is read again only when there is a newer one, or a wipe since.

        Dagster asks for it twice for each check of a step, which has dozens; that takes 0.1 ms instead of 1.6.
        """
        whole = super().fetch_materializations
        if limit != 1 or cursor is not None or ascending or not _is_of_one_partition(records_filter):
            return whole(records_filter, limit, cursor, ascending)
        state = self._materialized(records_filter)
        last_read = self._last_read  # of whichever thread
        if last_read is None or last_read[0] != state:
            self._last_read = last_read = state, whole(records_filter, limit, cursor, ascending)
        return last_read[1]

    def _materialized(self, of: AssetRecordsFilter) -> tuple[Any, ...]:
        """Which asset and partition, the number of its newest materialization, and when the asset was wiped last."""
        names = {"asset": of.asset_key.to_string(), "partition": (of.asset_partitions or [""])[0]}
        with self.index_connection() as connection:
            return (*names.values(), *connection.execute(_NEWEST, names).one())

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._prepare(shard, engine)
                self._initialized_dbs.add(shard)
                make_database_private(Path(self.path_for_shard(shard)))
            with engine.begin() as connection:
                yield connection

    def _prepare(self, shard: str, engine: Engine) -> None:
        """Make the tables of a new run's log: the first as Dagster does, in 0.2 s, each other as a copy of it."""
        path = Path(self.path_for_shard(shard))
        is_new = not path.exists()
        if is_new and self._empty_log and _written_anew(path, self._empty_log):
            return
        self._initdb(engine)
        engine.dispose()  # the connection that made the file waits for the disk at each commit
        if is_new and shard != INDEX_SHARD_NAME:
            with closing(sqlite3.connect(path)) as empty:  # to read the file would release others' locks
                self._empty_log = empty.serialize()

    def _initdb(self, engine: Engine, *rest: Any, **options: Any) -> None:
        """Make the tables as Dagster does, in a file that is for its owner only from the start."""
        create_private(Path(str(engine.url.database)))
        super()._initdb(engine, *rest, **options)

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            address = self.conn_string_for_shard(shard)
            engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
            event.listen(engine, "connect", _wait_for_no_disk)
            self._engines[shard] = engine
            if len(self._engines) > _OPEN:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _close(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()


def _is_of_one_partition(records_filter: AssetKey | AssetRecordsFilter) -> TypeGuard[AssetRecordsFilter]:
    """Whether the filter names an asset and one partition, and nothing else."""
    if not isinstance(records_filter, AssetRecordsFilter) or len(records_filter.asset_partitions or []) != 1:
        return False
    named = AssetRecordsFilter(records_filter.asset_key, asset_partitions=records_filter.asset_partitions)
    return records_filter == named


def _written_anew(path: Path, content: bytes) -> bool:
    """Give a new file this content, all at once; whether it was not there."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        create_private(unfinished)
        unfinished.write_bytes(content)
        path.hardlink_to(unfinished)
    except OSError:  # another process made it, or the disk has no hard links: as Dagster does it, then
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def _wait_for_no_disk(connection: sqlite3.Connection, _record: object) -> None:
    """Have commits return before the disk has them, where the file stays whole after a power failure: in WAL mode."""
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        connection.execute("PRAGMA synchronous = NORMAL")


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
