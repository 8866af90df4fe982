"""Which tables the lake has, and their rows as lazy frames."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from ml_platform.errors import NotFoundError
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.data_files import PARTITION
from ml_platform.lake.lazy import scan
from ml_platform.validation.current_rows import select_current

LAYERS = ("raw", "validated", "quarantine")  # of tables that pipelines share, in the order of the way of a row


@dataclass(frozen=True)
class LakeTable:
    """One table of the lake; `schema` is a layer or a pipeline, `columns` their number."""

    schema: str
    name: str
    columns: int

    @property
    def address(self) -> str:
        """As people write it: schema.name."""
        return f"{self.schema}.{self.name}"


def lake_tables(lake: Lake) -> list[LakeTable]:
    """Every table of the lake, by schema and name."""
    rows = lake.rows(
        "SELECT schema_name, table_name, column_count FROM duckdb_tables() WHERE database_name = ? ORDER BY ALL",
        [CATALOG],
    )
    return [LakeTable(*row) for row in rows]


def lazy_table(lake: Lake, address: str, *, partitions: Collection[str] | None = None) -> pl.LazyFrame:
    """The rows of a table (`schema.name`) as of now, read when the frame is collected.

    Of a validated table only the current row of each key, without the platform's own columns but `_partition`.
    Raises NotFoundError, which lists the tables there are.
    """
    schema, _, name = address.partition(".")
    columns = list(lake.columns(schema, name))
    if not columns:
        raise NotFoundError("table", address, [table.address for table in lake_tables(lake)])
    if schema == "validated":
        columns = [column for column in columns if not column.startswith("_") or column == PARTITION]
    return scan(lake, select_current(lake, schema, name, columns, partitions=partitions))
