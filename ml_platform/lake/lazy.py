"""Tables of the lake as polars lazy frames: every batch of a frame comes from one snapshot."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl
from polars.io.plugins import register_io_source

from ml_platform.lake import snapshots
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.data_files import PARTITION
from ml_platform.naming import literal, quoted
from ml_platform.settings import Settings


@dataclass(frozen=True)
class Selection:
    """Columns and rows of one table, as they are in one snapshot of the lake. `table` is its quoted name."""

    table: str
    columns: tuple[str, ...]
    condition: str
    snapshot: int

    def sql(self, columns: Sequence[str] | None = None, limit: int | None = None) -> str:
        """The query, narrowed to some of the columns and to a number of rows."""
        names = ", ".join(map(quoted, self.columns if columns is None else columns)) or "NULL"
        rows = f" LIMIT {limit}" if limit is not None else ""
        return f"SELECT {names} FROM {self.table} AT (VERSION => {self.snapshot}) WHERE {self.condition}{rows}"


def select(
    lake: Lake,
    schema: str,
    table: str,
    columns: Sequence[str],
    *,
    partitions: Collection[str] | None = None,
    condition: str = "true",
) -> Selection:
    """The rows of a table in the newest snapshot that meet a condition in SQL.

    `partitions` are keys of the `_partition` column; None: all rows, an empty collection: no row.
    """
    conditions = [condition]
    if partitions is not None:
        keys = ", ".join(map(literal, partitions))
        conditions.append(f"{PARTITION} IN ({keys})" if keys else "false")
    name = f"{CATALOG}.{quoted(schema)}.{quoted(table)}"
    return Selection(name, tuple(columns), " AND ".join(conditions), snapshots.current(lake))


def scan(lake: Lake, selection: Selection) -> pl.LazyFrame:
    """The selection as a lazy frame.

    Each collection opens the lake that `lake` is of once more, read-only, and reads the columns that it needs
    in batches. So the frame outlives `lake`, but not the snapshot, which maintenance expires.
    """
    return _scan(lake.settings, selection, lake.frame(selection.sql(limit=0)).schema)


def _scan(settings: Settings, selection: Selection, schema: pl.Schema) -> pl.LazyFrame:
    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        with Lake(settings, read_only=True) as lake:
            for batch in lake.stream(selection.sql(columns, limit)):
                frame = cast(pl.DataFrame, pl.from_arrow(batch))
                yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(batches, schema=schema)
