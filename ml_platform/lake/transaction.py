"""Writing: one transaction under the cross-process lock, long work before it.

Compute rows first (`stage` puts a big result into a Parquet file beside the tables), then take the
lock only to register and commit.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from ml_platform.errors import LakeError
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.naming import literal, quoted

PARTITION = "_partition"  # the column that every partitioned table is sliced by


@dataclass(frozen=True)
class Author:
    """Who commits, for the snapshot's message: the asset, its partition and content key, the run."""

    asset: str
    partition: str = ""
    content_key: str = ""
    run_id: str = ""


@dataclass(frozen=True)
class Staged:
    """Rows written to a Parquet file outside any transaction."""

    path: Path


Rows = pl.DataFrame | Staged


def stage(lake: Lake, sql: str, parameters: list[Any] | None = None) -> Staged:
    """The result of a query as a Parquet file in the lake's staging folder, streamed."""
    folder = lake.settings.lake / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.parquet"
    lake.connection.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet)", parameters)
    return Staged(path)


class Transaction:
    """What may be done between BEGIN and COMMIT."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._staged: list[Path] = []

    def execute(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run any statement inside the transaction."""
        return self.lake.connection.execute(sql, parameters)

    def replace(self, schema: str, table: str, rows: Rows, *, partition: str | None, evolve: bool = False) -> int:
        """Put `rows` in the place of a partition (None: of the whole table); the number of rows.

        The table is made when missing, sliced by `_partition` unless `partition` is None. A column
        that the table lacks is added with `evolve`, and refused without; one that the rows lack is
        null. Raises LakeError for a column whose type changed.
        """
        source = self._source(rows)
        self._fit(schema, table, source, partition is not None, evolve)
        target = f"{quoted(schema)}.{quoted(table)}"
        if partition is None:
            self.execute(f"DELETE FROM {target}")
        else:
            self.execute(f"DELETE FROM {target} WHERE {PARTITION} = ?", [partition])
        return self._insert(target, source, partition)

    def append(self, schema: str, table: str, rows: Rows, *, partition: str | None = None, evolve: bool = False) -> int:
        """Add `rows` to a table, under the same rules as `replace`; the number of rows."""
        source = self._source(rows)
        self._fit(schema, table, source, partition is not None, evolve)
        return self._insert(f"{quoted(schema)}.{quoted(table)}", source, partition)

    def _source(self, rows: Rows) -> str:
        if isinstance(rows, Staged):
            self._staged.append(rows.path)
            return f"read_parquet({literal(str(rows.path))})"
        name = f"rows_{uuid.uuid4().hex}"
        self.lake.connection.register(name, rows.to_arrow())
        return f"temp.main.{name}"

    def _fit(self, schema: str, table: str, source: str, partitioned: bool, evolve: bool) -> None:
        incoming = {r[0]: r[1] for r in self.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
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
        for name, kind in incoming.items():
            if name not in existing:
                if not evolve:
                    raise LakeError(f"{schema}.{table} has no column {name!r} and the rows do.",
                                    remedy="Declare the column in the contract to add it on purpose.")  # fmt: skip
                self.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(name)} {kind}")
            elif existing[name] != kind:
                raise LakeError(f"{schema}.{table}.{name} is {existing[name]} and the rows bring {kind}.",
                                remedy="Keep the type, or give the column another name.")  # fmt: skip

    def _insert(self, target: str, source: str, partition: str | None) -> int:
        extra = f", {literal(partition)} AS {PARTITION}" if partition is not None else ""
        count = self.execute(f"INSERT INTO {target} BY NAME SELECT *{extra} FROM {source}").fetchone()
        return int(count[0]) if count else 0

    def clean_up(self) -> None:
        for path in self._staged:
            path.unlink(missing_ok=True)


@contextmanager
def write(lake: Lake, author: Author, details: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
    """A transaction under the write lock; committed at the end, rolled back when the body raises.

    The snapshot's message names the asset and partition; its extra info holds run id, content key
    and `details` as JSON. Raises LakeError when the lock is not free within `lock_timeout`.
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    lock = FileLock(lake.settings.lake / "write.lock")
    try:
        lock.acquire(timeout=lake.settings.lock_timeout)
    except Timeout:
        raise LakeError(f"Another process has held the write lock for {lake.settings.lock_timeout:.0f} s.",
                        remedy="`ml-platform doctor` tells which; or raise ML_PLATFORM_LOCK_TIMEOUT.") from None  # fmt: skip
    except OSError as error:
        raise LakeError(f"The lake folder {lake.settings.lake} is not writable: {error}.",
                        remedy="Make it writable, or set ML_PLATFORM_DATA.") from error  # fmt: skip
    transaction = Transaction(lake)
    info = {"partition": author.partition, "content_key": author.content_key, "run_id": author.run_id,
            **(details or {})}  # fmt: skip
    try:
        connection = lake.connection
        connection.execute("BEGIN")
        try:
            yield transaction
            connection.execute(
                f"CALL {CATALOG}.set_commit_message(?, ?, extra_info => ?)",
                ["ml_platform", f"{author.asset} {author.partition}".strip(), json.dumps(info)],
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    finally:
        lock.release()
        transaction.clean_up()
