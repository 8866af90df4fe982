"""Writing: one transaction under the cross-process lock, long work before it.

Compute rows first (`stage` puts a big result into a Parquet file beside the tables), then take the
lock only to register and commit.
"""

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake import data_files, file_hashes, leftovers, lifetime, snapshots
from ml_platform.lake.catalog_faults import page_damage_named
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.data_files import PARTITION
from ml_platform.lake.disk_faults import exhausted, explained
from ml_platform.lake.locking import check_still_held
from ml_platform.lake.recipes import Read
from ml_platform.lake.staging import Rows, Staged, check_storable, described, stage
from ml_platform.lake.storable import to_arrow
from ml_platform.lake.writers import writing
from ml_platform.naming import FILLED_IN, literal, quoted

__all__ = ["PARTITION", "Author", "Rows", "Staged", "Transaction", "stage", "write"]

_COMMITTED = "The rows are committed and not recorded yet."
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")  # what stands for itself in a hive-style path


@dataclass(frozen=True)
class Author:
    """Who commits, for the snapshot's message: the asset, its partition and content key, the run.

    `reads` is what the output is made from; the ledger keeps it as lineage.
    """

    asset: str
    partition: str = ""
    content_key: str = ""
    run_id: str = ""
    reads: tuple[Read, ...] = ()


class Transaction:
    """What may be done between BEGIN and COMMIT. `snapshot` is the data version, once committed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.snapshot: int | None = None
        self._staged: list[Path] = []
        self._added: dict[Path, str] = {}  # file → SHA-256
        self._filled: set[tuple[str, str]] = set()
        self._views: list[str] = []
        self._after: list[Callable[[], object]] = []

    def after_commit(self, action: Callable[[], object]) -> None:
        """Have `action` done once the rows are committed, while the write lock is still held (S43).

        What raises there is raised by `write`; the rows stay.
        """
        self._after.append(action)

    def execute(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run any statement inside the transaction."""
        return self.lake.connection.execute(sql, parameters)

    def replace(self, schema: str, table: str, rows: Rows, *, partition: str | None, evolve: bool = False) -> int:
        """Replace a partition (None: the whole table) by `rows`; returns the number of rows.

        A missing table is created, partitioned by `_partition` unless `partition` is None. A column that it lacks is
        added with `evolve`, and refused without; one that the rows lack is null. Raises LakeError for a changed type.
        """
        source = self._source(rows)
        self._fit(schema, table, source, partition is not None, evolve)
        # The catalog does not tell what this transaction brought. DuckLake looks long for rows where there are none.
        if (schema, table) in self._filled or data_files.may_hold_rows(self.lake, schema, table, partition):
            where = "" if partition is None else f" WHERE {PARTITION} = {literal(partition)}"
            self.execute(f"DELETE FROM {quoted(schema)}.{quoted(table)}{where}")
        data_files.made_again(self.lake, schema, table, partition)
        return self._put(schema, table, rows, source, partition)

    def append(self, schema: str, table: str, rows: Rows, *, partition: str | None = None, evolve: bool = False) -> int:
        """Add `rows` to a table, under the same rules as `replace`; the number of rows."""
        source = self._source(rows)
        self._fit(schema, table, source, partition is not None, evolve)
        return self._put(schema, table, rows, source, partition)

    def _source(self, rows: Rows) -> str:
        if isinstance(rows, Staged):
            self._staged.append(rows.path)
            return f"read_parquet({literal(str(rows.path))}, hive_partitioning = false)"
        name = f"rows_{uuid.uuid4().hex}"
        self.lake.connection.register(name, to_arrow(rows))
        self._views.append(name)
        return f"temp.main.{name}"

    def _fit(self, schema: str, table: str, source: str, partitioned: bool, evolve: bool) -> None:
        incoming = described(self.lake, f"SELECT * FROM {source}")
        if PARTITION in incoming:
            raise LakeError(
                f"The rows for {schema}.{table} bring a column {PARTITION}, which the write sets.",
                remedy=f"Leave it out: SELECT * EXCLUDE ({PARTITION}).",
            )
        for name, kind in incoming.items():
            check_storable(name, kind)
        existing = self.lake.columns(schema, table)
        target = f"{quoted(schema)}.{quoted(table)}"
        if not existing:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            columns = {**incoming, **({PARTITION: "VARCHAR"} if partitioned else {})}
            listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
            self.execute(f"CREATE TABLE {target} ({listed})")
            if partitioned:
                self.execute(f"ALTER TABLE {target} SET PARTITIONED BY ({PARTITION})")
            return
        if partitioned != (PARTITION in existing):
            raise LakeError(
                f"{schema}.{table} is {'not ' if partitioned else ''}partitioned.",
                remedy="Write it as it was created, or under another name.",
            )
        if evolve:
            existing = self._respelled(target, existing, incoming)
        for name, kind in incoming.items():
            if name not in existing:
                if not evolve:
                    raise LakeError(
                        f"{schema}.{table} has no column {name!r} and the rows do.",
                        remedy="Declare the column in the contract to add it on purpose.",
                    )
                self.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(name)} {kind}")
            elif existing[name] != kind:
                raise LakeError(
                    f"{schema}.{table}.{name} is {existing[name]} and the rows bring {kind}.",
                    remedy="Keep the type, or give the column another name.",
                )

    def _respelled(self, target: str, existing: dict[str, str], incoming: dict[str, str]) -> dict[str, str]:
        """The table's columns, those renamed that the rows spell in another case: DuckDB does not tell them apart."""
        spelled = {name.lower(): name for name in incoming}
        columns: dict[str, str] = {}
        for name, kind in existing.items():
            new = name if name in incoming else spelled.get(name.lower(), name)
            if new != name:  # by way of another name: this one is taken, as DuckDB sees it
                self.execute(f"ALTER TABLE {target} RENAME COLUMN {quoted(name)} TO _respelled")
                self.execute(f"ALTER TABLE {target} RENAME COLUMN _respelled TO {quoted(new)}")
            columns[new] = kind
        return columns

    def _put(self, schema: str, table: str, rows: Rows, source: str, partition: str | None) -> int:
        self._filled.add((schema, table))
        if isinstance(rows, Staged):
            folder = self._folder(schema, table, partition)
            if folder is not None:
                return self._register(schema, table, rows, folder, partition is not None)
        extra = f", {literal(partition)} AS {PARTITION}" if partition is not None else ""
        target = f"{quoted(schema)}.{quoted(table)}"
        count = self.execute(f"INSERT INTO {target} BY NAME SELECT *{extra} FROM {source}").fetchone()
        return int(count[0]) if count else 0

    def _folder(self, schema: str, table: str, partition: str | None) -> Path | None:
        """Where DuckLake itself would put the file; None where a path could not say it."""
        names = [schema, table, *([partition] if partition is not None else [])]
        if "=" in str(self.lake.tables) or not all(_PLAIN.fullmatch(name) for name in names):
            return None
        folder = self.lake.tables / schema / table
        return folder if partition is None else folder / f"{PARTITION}={partition}"

    def _register(self, schema: str, table: str, staged: Staged, folder: Path, partitioned: bool) -> int:
        # The staged file becomes the table's own. INSERT would read and write it once more under the
        # lock: 10M rows x 12 columns 3.7 s, registered 0.1 s (2.4 s more to delete as many, either way).
        count = int(self.lake.value("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(staged.path)]))
        if count == 0:
            return 0
        path = folder / leftovers.new_file_name()
        folder.mkdir(parents=True, exist_ok=True)
        self._added[path] = staged.sha256
        try:
            path.hardlink_to(staged.path)  # a link, not a move: the same rows may go to two tables
        except OSError:
            shutil.copyfile(staged.path, path)  # a disk without hard links
        self.execute(
            f"CALL ducklake_add_data_files({literal(CATALOG)}, {literal(table)}, {literal(str(path))}, "
            f"schema => {literal(schema)}, allow_missing => true, hive_partitioning => {partitioned})"
        )
        return count

    def release_views(self) -> None:
        """Let go of the frames that were inserted. Inside the transaction it costs nothing, and 5 ms after it."""
        while self._views:
            self.lake.connection.unregister(self._views.pop())

    def note(self) -> None:
        """Note the hashes of the files that were committed, and the snapshot, while the write lock is still held.

        A full disk must not keep the rows off record: who opens the lake next notes the hashes, and of snapshots a
        lower bound does.
        """
        try:
            with self.lake.reading():  # one look at the catalog for both
                self.snapshot = snapshots.newest(self.lake)
                files = data_files.current(self.lake, f"begin_snapshot = {self.snapshot}")
            file_hashes.note_committed(self.lake, files, self._added)
        except (OSError, duckdb.Error) as error:
            if exhausted(error, self.lake.folder) is None:
                raise
        except LakeError:  # a full disk, said already by what asked the catalog
            pass
        if self.snapshot is not None:
            with suppress(LakeError):
                lifetime.note(self.lake.folder, self.lake.identity, self.snapshot)

    def clean_up(self, *, committed: bool) -> None:
        """Let go of what the transaction held outside the catalog."""
        self.release_views()
        for path in [*self._staged, *([] if committed else self._added)]:
            path.unlink(missing_ok=True)


@contextmanager
def write(lake: Lake, author: Author, details: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
    """A transaction under the write lock; committed at the end, rolled back when the body raises.

    The snapshot's message names asset and partition; its extra info holds run id, content key and `details` as JSON.
    Raises LakeError when the lock is not free within `lock_timeout`, when this thread is writing already, for a damaged
    catalog and a full disk. What fails after the commit says so: the rows stay, and the next run records them (S43).
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    if lake.is_reading:
        raise LakeError(
            "This thread cannot write while it reads at one snapshot.", remedy="Leave `Lake.reading()` first."
        )
    what = f"{author.asset} {author.partition}".strip()
    mark = uuid.uuid4().hex
    info = {"partition": author.partition, "content_key": author.content_key, "run_id": author.run_id, "commit": mark}
    transaction = Transaction(lake)
    connection = lake.connection
    committed = False
    try:
        with page_damage_named(lake.settings), lake.locked(what):
            with explained(lake.folder):
                connection.execute("BEGIN")
                try:
                    with writing(lake):
                        yield transaction
                    transaction.release_views()
                    connection.execute(
                        f"CALL {CATALOG}.set_commit_message(?, ?, extra_info => ?)",
                        ["ml_platform", what, _commit_info({**info, **(details or {})})],
                    )
                    check_still_held()
                except BaseException:  # an interrupt too: nothing of the transaction may stay open
                    _roll_back(connection)
                    raise
                _commit(lake, mark)
            committed = True
            with explained(lake.folder, _COMMITTED):
                transaction.note()
                for action in transaction._after:
                    action()
    finally:
        transaction.clean_up(committed=committed)


def _commit_info(info: Mapping[str, Any]) -> str:
    """As JSON, in which no word stands that DuckLake fills in, such as {DATA_PATH} in the name of a file."""
    return FILLED_IN.sub(r"\\u007b\1}", json.dumps(info))


def _commit(lake: Lake, mark: str) -> None:
    """COMMIT. An error after which the commit is found in the lake is none."""
    try:
        lake.connection.execute("COMMIT")
    except BaseException as error:
        _roll_back(lake.connection)
        try:
            landed = snapshots.marked(lake, mark)
        except duckdb.Error:
            raise LakeError(
                f"The outcome of the commit is unknown: {error}", remedy="Run again: finished work is skipped."
            ) from error
        if landed is None:
            raise


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    # A commit that failed, or a fatal error, ended the transaction already; what ended it is the news.
    with suppress(duckdb.Error):
        connection.execute("ROLLBACK")
