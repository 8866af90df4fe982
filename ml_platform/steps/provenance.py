"""The evidence of the Provenance gate: a sample of the raw rows of the examples' table, and what moves in it."""

import json
from collections.abc import Mapping

import polars as pl

from ml_platform.evaluation.candidate import ColumnOrigins
from ml_platform.naming import literal, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.sources.raw_columns import read_raw
from ml_platform.spec.examples import Label
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.files import FileVersion, standing
from ml_platform.validation.provenance import Movements, movements
from ml_platform.validation.screenings import needed_rows

FILES = 3  # evenly spread over the standing ones
ROWS = 1_000  # of each, evenly spread; fewer of wide ones, because each raw column costs a run of `clean`
_LEAST_ROWS, _CELLS = 100, 60_000


def column_origins(ws: Workspace, pipeline: ModelPipeline, partition: str) -> ColumnOrigins:
    """Where the columns of the examples' table come from, as its declaration and its raw rows say today."""
    table = pipeline.table(pipeline.examples.table)
    recorded = [version for version in standing(ws.state, table.name) if version.rows]
    chosen = recorded[:: max(1, -(-len(recorded) // FILES))]
    files = [(version.path, _some_rows(ws, table.name, version)) for version in chosen]
    seen = movements(table, files, needed_rows(ws.lake, table))
    return origins_of(pipeline, seen, _assumed(ws, pipeline, partition))


def _some_rows(ws: Workspace, table: str, version: FileVersion) -> pl.DataFrame:
    """Rows of one file, evenly spread."""
    wanted = min(ROWS, max(_LEAST_ROWS, _CELLS // max(1, len(json.loads(version.columns)))))
    step = max(1, -(-version.rows // wanted))
    return read_raw(ws.lake, table, version.file_id, version.columns, list(range(0, version.rows, step)))


def origins_of(pipeline: ModelPipeline, seen: Movements, assumed: Mapping[str, float]) -> ColumnOrigins:
    """The evidence, with the roles that the declaration gives to the columns of the examples' table."""
    examples, expression = pipeline.examples, pipeline.examples.label_expression
    read = columns_read(to_portable(expression, "label")) if expression is not None else frozenset[str]()
    own_label = not isinstance(examples.label, Label)
    known_at = pipeline.table(examples.table).known_at if own_label else None
    return ColumnOrigins(
        seen, examples.at, examples.keys, tuple(examples.inputs), tuple(sorted(read)), known_at, assumed
    )


def _assumed(ws: Workspace, pipeline: ModelPipeline, partition: str) -> dict[str, float]:
    """Table of a Lookup → the share of the examples so far for which it was assumed."""
    lookups = [feature for feature in pipeline.joined if not feature.timed]
    statuses = {lookup.table: status for lookup in lookups for status in lookup.statuses}
    there = ws.lake.columns(pipeline.name, "features")
    statuses = {table: status for table, status in statuses.items() if status in there}
    if not statuses:
        return {}
    shares = ", ".join(f"avg(({quoted(status)} = 'assumed')::INT)" for status in statuses.values())
    upto = ", ".join(map(literal, pipeline.partition_keys_upto(partition)))
    row = ws.lake.rows(f"SELECT {shares} FROM {quoted(pipeline.name)}.features WHERE _partition IN ({upto})")[0]
    return {table: float(share or 0.0) for table, share in zip(statuses, row, strict=True)}
