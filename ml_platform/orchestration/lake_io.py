"""Partitions of the platform's tables as inputs of a project's own assets.

This implements Dagster's I/O manager interface rather than dagster-duckdb's `DuckDBIOManager` and its type handlers:
those open a database file for writing, select a time partition by a range of a timestamp column, and hand over whole
tables. A table of the lake is selected by the key in its `_partition` column, holds superseded row versions, and may
be larger than memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Never, cast

import dagster as dg
import polars as pl
from polars.io.plugins import register_io_source

from ml_platform.errors import LakeError, OrderError
from ml_platform.lake import snapshots
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.data_files import PARTITION
from ml_platform.naming import literal, quoted
from ml_platform.settings import Settings
from ml_platform.spec.partitions import spanned
from ml_platform.state import ledger
from ml_platform.state.database import State

_TABLE_NAME = "dagster/table_name"  # the metadata in which each asset of the platform names its table
_AS_THEY_CAME = ("raw", "quarantine")  # layers without a contract


@dataclass(frozen=True)
class _Selection:
    """Columns and rows of one table, as they are in one snapshot of the lake."""

    table: str
    columns: tuple[str, ...]
    condition: str
    snapshot: int

    def sql(self, columns: Sequence[str] | None = None, limit: int | None = None) -> str:
        """The query, narrowed to some of the columns and to a number of rows."""
        names = ", ".join(map(quoted, self.columns if columns is None else columns)) or "NULL"
        rows = f" LIMIT {limit}" if limit is not None else ""
        return f"SELECT {names} FROM {self.table} AT (VERSION => {self.snapshot}) WHERE {self.condition}{rows}"


class LakeIOManager(dg.ConfigurableIOManager):
    """Loads tables of the lake as inputs, as a polars DataFrame or, with that annotation, a LazyFrame.

    The input names an asset of the platform that fills a table: `validated/TABLE`, or `features`, `predictions`,
    `performance`, `drift` or `decision` of a pipeline. A partitioned asset gets the partitions that its partition
    mapping names, each of which must have been made. An asset without partitions gets all rows, and so does any asset
    from a table without time.

    Of a validated table the current row of each key is loaded, not the versions that a correction superseded.
    Columns of the platform's own, which begin with `_`, are left out. `AssetIn(metadata={"columns": [...]})` selects
    columns, and may name those too. All batches of a LazyFrame come from the snapshot at which the step began.

    It loads only. An asset that returns a value needs an I/O manager of its own to store it.

    >>> @dg.asset(
    ...     partitions_def=dg.MonthlyPartitionsDefinition("2013-01", fmt="%Y-%m"),
    ...     ins={"predictions": dg.AssetIn(["flight_delay", "predictions"], input_manager_key="lake_io")},
    ... )
    ... def late_flights(predictions: pl.LazyFrame) -> dg.MaterializeResult: ...
    """

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame:
        """The rows of the input.

        Raises LakeError for an asset that fills no table of the lake, an annotation that is no polars frame, and a
        column that does not exist; OrderError when a partition was not made.
        """
        lazy = _is_lazy(context)
        settings = Settings()
        with Lake(settings, read_only=True) as lake, lake.reading():
            selection = _selection(context, lake)
            if lazy:
                return _scan(settings, selection, lake.frame(selection.sql(limit=0)).schema)
            return lake.frame(selection.sql())

    def handle_output(self, context: dg.OutputContext, obj: Any) -> Never:
        """Raises LakeError: only pipelines write the lake."""
        raise LakeError(
            f"LakeIOManager stores nothing, and so not the value of {_name(context)}: only pipelines write the lake.",
            remedy="Set the asset's io_manager_key to an I/O manager that stores it, or store it in the asset's "
            "body and return a dg.MaterializeResult.",
        )


def _is_lazy(context: dg.InputContext) -> bool:
    annotated = context.dagster_type.typing_type
    if annotated in (Any, pl.DataFrame):
        return False
    if annotated is pl.LazyFrame:
        return True
    raise LakeError(
        f"The input {context.name!r} is annotated as {getattr(annotated, '__name__', annotated)}, "
        "which LakeIOManager cannot load.",
        remedy="Annotate it as pl.DataFrame or pl.LazyFrame.",
    )


def _selection(context: dg.InputContext, lake: Lake) -> _Selection:
    schema, table = _table(context)
    with closing(State(lake.settings, read_only=True)) as state:
        materialized = {partition for _, partition in ledger.latest(state, _name(context))}
    columns = lake.columns(schema, table)
    wanted = _partitions(context)
    missing = sorted(set(wanted or []) - materialized)
    if missing or not materialized or not columns:
        what = f" for {spanned(missing)}" if missing else ""
        raise OrderError(f"{_name(context)} was not made{what}.", remedy=f"Materialize {_name(context)}{what} first.")
    conditions = ["true"]
    if wanted is not None:
        conditions.append(f"{PARTITION} IN ({', '.join(map(literal, wanted))})" if wanted else "false")
    if "_superseded_at" in columns:
        conditions.append("_superseded_at IS NULL")
    return _Selection(
        f"{CATALOG}.{quoted(schema)}.{quoted(table)}",
        _columns(context, list(columns)),
        " AND ".join(conditions),
        snapshots.current(lake),
    )


def _table(context: dg.InputContext) -> tuple[str, str]:
    """Schema and table of the input's asset."""
    upstream = context.upstream_output
    address = str((upstream.definition_metadata if upstream else {}).get(_TABLE_NAME, ""))
    catalog, _, table = address.partition(".")
    schema, _, table = table.partition(".")
    if catalog != CATALOG or not table:
        raise LakeError(
            f"The asset {_name(context)} fills no table of the lake, so that LakeIOManager cannot load it.",
            remedy="Set input_manager_key to the I/O manager that stored it. Tables have the keys validated/TABLE and "
            "PIPELINE/features, predictions, performance, drift or decision.",
        )
    if schema in _AS_THEY_CAME:
        raise LakeError(
            f"{_name(context)} holds rows as they came, in all versions of their files; it is no input.",
            remedy=f"Take validated/{table}, or query {address} through LakeDuckDB.",
        )
    return schema, table


def _partitions(context: dg.InputContext) -> list[str] | None:
    """The keys that the partition mapping of the asset names; None for all rows."""
    if not context.has_asset_partitions or context.step_context.entity_partitions_def is None:
        return None
    return list(context.asset_partition_keys)


def _columns(context: dg.InputContext, existing: list[str]) -> tuple[str, ...]:
    selected = context.definition_metadata.get("columns")
    if selected is None:
        return tuple(name for name in existing if not name.startswith("_"))
    unknown = [name for name in selected if name not in existing]
    if unknown:
        raise LakeError(
            f"The input {context.name!r} selects columns that {_name(context)} does not have: {', '.join(unknown)}.",
            remedy=f"Its columns: {', '.join(existing)}.",
        )
    return tuple(selected)


def _scan(settings: Settings, selection: _Selection, schema: pl.Schema) -> pl.LazyFrame:
    """The selection as a lazy frame: each collection opens the lake, and reads the columns that it needs."""

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        with Lake(settings, read_only=True) as lake:
            for batch in lake.stream(selection.sql(columns, limit)):
                frame = cast(pl.DataFrame, pl.from_arrow(batch))
                yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(batches, schema=schema)


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path) if context.has_asset_key else str(context.name)
