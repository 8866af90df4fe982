"""Partitions of the platform's tables as inputs of a project's own assets.

This implements Dagster's I/O manager interface rather than dagster-duckdb's `DuckDBIOManager` and its type handlers:
those open a database file for writing, select a time partition by a range of a timestamp column, and hand over whole
tables. A table of the lake is selected by the key in its `_partition` column, holds superseded row versions, and may
be larger than memory.
"""

from contextlib import closing
from typing import Any, Never

import dagster as dg
import polars as pl

from ml_platform.errors import LakeError, OrderError
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.lazy import Selection, scan
from ml_platform.settings import Settings
from ml_platform.spec.partitions import spanned
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.validation.current_rows import select_current

_TABLE_NAME = "dagster/table_name"  # the metadata in which each asset of the platform names its table
_AS_THEY_CAME = ("raw", "quarantine")  # layers without a contract


class LakeIOManager(dg.ConfigurableIOManager):
    """Loads tables of the lake as inputs, as a polars DataFrame or, with that annotation, a LazyFrame.

    The input names an asset of the platform that fills a table: `validated/TABLE`, or `features`, `predictions`,
    `performance` or `drift` of a pipeline. A partitioned asset gets the partitions that its partition
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
        with Lake(Settings(), read_only=True) as lake, lake.reading():
            selection = _selection(context, lake)
            if lazy:
                return scan(lake, selection)
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


def _selection(context: dg.InputContext, lake: Lake) -> Selection:
    schema, table = _table(context)
    with closing(State(lake.settings, read_only=True)) as state:
        materialized = {partition for _, partition in ledger.latest(state, _name(context))}
    columns = lake.columns(schema, table)
    wanted = _partitions(context)
    missing = sorted(set(wanted or []) - materialized)
    if missing or not materialized or not columns:
        what = f" for {spanned(missing)}" if missing else ""
        raise OrderError(f"{_name(context)} was not made{what}.", remedy=f"Materialize {_name(context)}{what} first.")
    return select_current(lake, schema, table, _columns(context, list(columns)), partitions=wanted)


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
            "PIPELINE/features, predictions, performance or drift.",
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


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return "/".join(context.asset_key.path) if context.has_asset_key else str(context.name)
