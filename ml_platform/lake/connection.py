"""One DuckLake connection a process; a cursor a thread.

Measured on DuckLake 1.0 with a SQLite catalog: WAL, a busy timeout and one cross-process lock
from BEGIN to COMMIT lose no write with 8 processes, and readers never wait.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import duckdb
import polars as pl

from ml_platform.errors import LakeError, first_line
from ml_platform.lake import inlining, lake_format, lifetime
from ml_platform.lake.catalog_faults import cannot_open, damage_named, page_damage_named
from ml_platform.lake.disk_faults import exhausted, exhaustion_explained
from ml_platform.lake.duckdb_start import started
from ml_platform.lake.locking import advisory_lock, file_lock
from ml_platform.lake.lost_catalog import catalog_file, is_missing, refuse_to_replace
from ml_platform.lake.new_catalog import make_catalog
from ml_platform.lake.spilling import SpillFolder
from ml_platform.naming import literal
from ml_platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa  # 0.1 s, which most commands do not need

T = TypeVar("T")

CATALOG = "lake"  # the name under which the lake is attached
METADATA = f"__ducklake_metadata_{CATALOG}"  # DuckLake's name for the catalog's own tables
ADDRESS = "lake_address"  # DuckDB's secret with the address of the PostgreSQL catalog, which an ATTACH would show
_LOCKS = "lake_locks"  # the PostgreSQL catalog once more, for its advisory lock
_PREPARED = f"FROM postgres_query('{_LOCKS}', 'SELECT 1 AS found WHERE to_regclass(''ducklake_snapshot'') IS NOT NULL')"


class Lake:
    """The tables of the platform. Open it once per process; it may be shared by threads.

    Reads see the last committed snapshot and never block. Writes go through `write()`
    (`ml_platform.lake.transaction`). A forked child must open a lake of its own. Raises LakeError
    when the lake cannot be opened.
    """

    def __init__(self, settings: Settings | None = None, *, read_only: bool = False) -> None:
        self.settings = settings or Settings()
        self.read_only = read_only
        # Absolute, because the catalog remembers where its tables are for whoever attaches it elsewhere.
        self.folder = self.settings.lake.resolve()
        self._pid = os.getpid()
        self._local = threading.local()
        self._there: set[tuple[str, str]] = set()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self.identity = ""  # what tells this lake from every other; the copy of a lake has the same
        self._spilling = SpillFolder(self.folder, read_only=read_only)
        self._root = started(self.settings, self.folder, read_only, self._spilling.path)
        try:
            if not read_only:  # nobody sweeps the folder of temporary files
                self._spilling.hold()
            self._attach()
            if not read_only:
                with damage_named(self.settings):
                    lifetime.observe(self, METADATA)
        except BaseException:
            self.close()
            raise

    @property
    def tables(self) -> Path:
        """The folder of the tables' Parquet files."""
        return self.folder / "tables"

    @property
    def spill_folder(self) -> Path:
        """Where queries that need more memory than they may take put the rest."""
        return self._spilling.parent

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor; its default catalog is the lake, its time zone UTC."""
        cursor = self._cursor()
        if not self._local.in_lake:
            cursor.execute(f"USE {CATALOG}")  # 50 ms for the first of all: DuckLake learns which tables there are
            self._local.in_lake = True
        return cursor

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor. Without a default catalog until `connection` is asked for."""
        if os.getpid() != self._pid:
            raise LakeError(
                "This lake was opened before the process forked.",
                remedy="Open a Lake in the child, or start it with spawn.",
            )
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._root.cursor()
            cursor.execute("SET TimeZone = 'UTC'")
            self._local.cursor, self._local.in_lake = cursor, False
            self._cursors.add(cursor)
        return cursor

    def frame(self, sql: str, parameters: Sequence[Any] | None = None) -> pl.DataFrame:
        """The result of a query, collected. For what is small enough to hold."""
        with exhaustion_explained(self.spill_folder), page_damage_named(self.settings):
            return self.connection.execute(sql, parameters).pl()

    def stream(self, sql: str, parameters: Sequence[Any] | None = None) -> "pa.RecordBatchReader":
        """The result of a query as record batches. It owns this thread's cursor until read."""
        with exhaustion_explained(self.spill_folder), page_damage_named(self.settings):
            return self.connection.execute(sql, parameters).to_arrow_reader(100_000)

    def rows(
        self, sql: str, parameters: Sequence[Any] | None = None, *, qualified: bool = False
    ) -> list[tuple[Any, ...]]:
        """The result of a query as Python tuples. Inside `reading()` equal queries run once.

        `qualified`: every name in it is said with its catalog, so that it needs no default one.
        """
        remembered: dict[tuple[str, str], list[tuple[Any, ...]]] | None = getattr(self._local, "remembered", None)
        question = (sql, repr(parameters))
        if remembered is not None and question in remembered:
            return remembered[question]
        with exhaustion_explained(self.spill_folder), page_damage_named(self.settings):
            rows = (self._cursor() if qualified else self.connection).execute(sql, parameters).fetchall()
        if remembered is not None:
            remembered[question] = rows
        return rows

    @contextmanager
    def reading(self) -> Iterator[None]:
        """This thread's reads see one snapshot, and small ones (`rows`, `value`, `columns`) are remembered.

        For content keys: a query of the lake costs 10 ms, and a plan makes hundreds.
        This thread cannot write meanwhile. Nested contexts count as one.
        """
        if getattr(self._local, "remembered", None) is not None:
            yield
            return
        connection = self._cursor()
        connection.execute("BEGIN")
        self._local.remembered, self._local.values = {}, {}
        try:
            yield
        finally:
            self._local.remembered = self._local.values = None
            connection.execute("ROLLBACK")

    def once(self, what: str, make: Callable[[], T]) -> T:
        """The result of `make`. Inside `reading()` it is computed once for each `what`."""
        if getattr(self._local, "remembered", None) is None:
            return make()
        values: dict[str, Any] = self._local.values
        if what not in values:
            values[what] = make()
        return cast(T, values[what])

    def remembers(self, what: str) -> bool:
        """Whether `once` computed the result of that name inside this `reading()`."""
        return what in (getattr(self._local, "values", None) or ())

    @property
    def is_reading(self) -> bool:
        """Whether this thread is inside `reading()`."""
        return getattr(self._local, "remembered", None) is not None

    def value(self, sql: str, parameters: Sequence[Any] | None = None) -> Any:
        """The first column of the first row, or None when there is no row."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None

    def columns(self, schema: str, table: str) -> dict[str, str]:
        """Column → DuckDB type, in order; empty when there is no such table."""
        rows = self.rows(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index",
            [CATALOG, schema, table],
        )
        return dict(rows)

    def has(self, schema: str, table: str) -> bool:
        """Whether there is such a table. A positive answer is cached: the platform never drops a table of its own."""
        if (schema, table) not in self._there and self.columns(schema, table):
            self._there.add((schema, table))
        return (schema, table) in self._there

    def forget_tables(self) -> None:
        """Forget which tables exist, because some were dropped."""
        self._there.clear()

    @contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """The write lock, during `what`. Raises LakeError after `lock_timeout` s, and when newer code took the lake."""
        with self._write_lock(what):
            if self.identity:  # else it is not open yet
                with self._root.cursor() as cursor:  # 2 ms
                    lake_format.refuse_newer(cursor, METADATA, self.settings)
            yield

    def _write_lock(self, what: str) -> AbstractContextManager[None]:
        timeout = self.settings.lock_timeout
        if secret := self.settings.catalog.get_secret_value():
            return advisory_lock(self._root, _LOCKS, f"catalog {hash(secret)}", what, timeout)
        return file_lock(self.folder, what, timeout)

    def close(self) -> None:
        """Release the catalog, in all threads. Further use is an error."""
        if os.getpid() != self._pid:
            return
        for cursor in list(self._cursors):
            cursor.close()
        self._root.close()
        self._spilling.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _attach(self) -> None:
        secret = self.settings.catalog.get_secret_value()
        # OVERRIDE: a folder that was moved or mounted elsewhere still opens.
        options = [f"DATA_PATH {literal(str(self.tables))}", "OVERRIDE_DATA_PATH true"]
        options += ["READ_ONLY"] if self.read_only else []
        catalog = catalog_file(self.settings)
        if secret:
            target = "ducklake:postgres:"
            options += [f"META_SECRET {ADDRESS}"]
        else:
            target = f"ducklake:sqlite:{catalog}"
            options += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 60000"]

        def attach(target: str) -> str:
            return f"ATTACH {literal(target)} AS {CATALOG} ({', '.join(options)})"

        try:
            if secret:
                self._root.execute(f"CREATE TEMPORARY SECRET {ADDRESS} (TYPE postgres, URI {literal(secret)})")
            if secret and not self.read_only:
                self._root.execute(f"ATTACH '' AS {_LOCKS} (TYPE postgres, SECRET {ADDRESS})")
            # Two processes that find no catalog must not both make one, nor see half of it.
            if secret and not self.read_only and not self._root.execute(_PREPARED).fetchone():
                with self.locked("a new lake"):
                    if not self._root.execute(_PREPARED).fetchone():
                        refuse_to_replace(self.settings)
                    self._root.execute(attach(target))
                    lake_format.refuse_newer(self._root, METADATA, self.settings)  # another process may have made it
                    self._set_up()
                self.identity = lake_format.lake_id(self._root, METADATA, self.settings)
                return
            if not secret and is_missing(catalog):
                with self.locked("a new lake"):
                    if is_missing(catalog):
                        refuse_to_replace(self.settings)
                        make_catalog(
                            self._root,
                            CATALOG,
                            catalog,
                            attach=lambda file: attach(f"ducklake:sqlite:{file}"),
                            set_up=self._set_up,
                        )
            options.append("CREATE_IF_NOT_EXISTS false")  # a catalog that lost its tables is no new lake
            self._root.execute(attach(target))
            self.identity = lake_format.lake_id(self._root, METADATA, self.settings)
            older = lake_format.refuse_newer(self._root, METADATA, self.settings) < lake_format.FORMAT
            if not self.read_only and (older or not inlining.is_set_up(self._root, CATALOG)):
                with self.locked("the options of the lake"):
                    self._set_up()
        except duckdb.Error as error:
            fault = None if secret else exhausted(error, self.folder)
            raise fault or cannot_open(error, self.settings, first_line(error)) from None

    def _set_up(self) -> None:
        inlining.set_up(self._root, CATALOG)
        lake_format.raise_to_current(self._root, METADATA)
