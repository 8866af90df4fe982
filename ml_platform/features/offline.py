"""Features of many examples at once, in DuckDB, numpy and polars, at a bounded memory.

The examples are taken in batches in order of time, so that a batch reads only the rows that can
count for it. Tables are streamed and never collected.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import numpy as np
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.arrays import Integers
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.forms import passes
from ml_platform.features.kinds.derived import layers
from ml_platform.features.relations import TIMELESS, Batch, plain, relation
from ml_platform.features.rowwise import derive
from ml_platform.naming import counted, quoted
from ml_platform.spec.expressions import columns_read
from ml_platform.validation.version_order import as_of

BATCH = 500_000  # examples held at once


def compute(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: str,
    tables: Mapping[str, str],
    *,
    batch: int = BATCH,
) -> str:
    """The features of `examples`: the name of a temporary table with the columns of `definition.schema`.

    examples: a table or query with the columns of `definition.row_schema`, one row per example.
    tables:   a validated relation (all versions of its rows) for each table of the definition; of a table
              without key with `_path` (`version_order.with_paths`).

    The session's time zone must be UTC. The caller drops the table. Raises FeatureError where
    values cannot be summed exactly or an example has no `at`.
    """
    mark = secrets.token_hex(6)
    source, target = f"temp.main.examples_{mark}", f"temp.main.features_{mark}"
    own = ", ".join(quoted(name) for name in definition.row_schema)
    order = quoted(definition.at) if definition.at else "1"
    connection.execute(
        f"CREATE TEMP TABLE {source} AS SELECT row_number() OVER (ORDER BY {order}) - 1 AS _index, {own} "
        f"FROM {relation(examples)}"
    )
    try:
        count = _count(connection, definition, source)
        since = available_since(connection, definition, tables)
        for first in range(0, max(count, 1), batch):
            sql = f"SELECT {own} FROM {source} WHERE _index >= {first} AND _index < {first + batch} ORDER BY _index"
            frame = _features(connection, definition, connection.execute(sql).pl(), tables, since)
            connection.register("_made", plain(frame).to_arrow())
            verb = f"INSERT INTO {target}" if first else f"CREATE TEMP TABLE {target} AS"
            connection.execute(f"{verb} SELECT * FROM _made")
            connection.unregister("_made")
    finally:
        connection.execute(f"DROP TABLE {source}")
    return target


def available_since(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, tables: Mapping[str, str]
) -> dict[str, datetime | None]:
    """When the first row of each table with time became usable; None: never (S14).

    Features of a table are null for `at` up to and including that moment. A Lookup is exempt: before
    the first arrival it assumes the first version (S12).
    """
    since: dict[str, datetime | None] = {}
    for name, table in definition.tables.items():
        if table.timed:
            row = connection.execute(f"SELECT min(_usable_at) FROM {relation(tables[name])}").fetchone()
            since[name] = row[0] if row else None
    return since


def outputs_since(definition: FeatureDefinition, since: Mapping[str, datetime | None]) -> dict[str, datetime | None]:
    """The available-since date of each output, from those of the tables; None: its table has no usable row yet.

    What is derived has the latest date of what it reads. Outputs that depend on no table with time are left out.
    """
    dates_by_output = {
        output: since[form.table] for form in definition.joined if form.table in since for output in form.outputs
    }
    for derived in definition.derived:
        dates = [dates_by_output[name] for name in sorted(columns_read(derived.expression)) if name in dates_by_output]
        if dates:
            reached = [date for date in dates if date is not None]
            dates_by_output[derived.name] = max(reached) if len(reached) == len(dates) else None
    return dates_by_output


def examples_sql(
    definition: FeatureDefinition,
    relation_: str,
    start: datetime | None,
    end: datetime | None,
    carrying: Sequence[str] = (),
    bounds: str = "true",
) -> str:
    """A query of one row per example with start ≤ at < end, from the validated relation of the examples.

    None bounds nothing. `relation_` has `_path` (`version_order.with_paths`). Inputs are of the newest version
    that had arrived by `at`, else of the oldest (S6). Examples without time: the current rows; `start` and `end`
    are not used. `carrying`: further columns of the chosen rows, such as where they came from. `bounds`: a condition
    that all rows of these examples' keys meet (`lake.key_bounds`).
    """
    own = ", ".join(quoted(name) for name in [*definition.row_schema, *carrying])
    source = relation(relation_)
    if definition.at is None:
        return f"SELECT {own} FROM {source} WHERE _superseded_at IS NULL"
    at, keys = quoted(definition.at), ", ".join(quoted(name) for name in definition.keys)
    limits = [
        f" AND {at} {sign} TIMESTAMPTZ '{moment.isoformat()}'"
        for sign, moment in ((">=", start), ("<", end))
        if moment is not None
    ]
    within = "".join(limits)
    # Other keys have no version within the bounds, so none of theirs is chosen there. A hash may leave some in.
    mine = f"SELECT hash({keys}) FROM {source} WHERE true{within}"
    some = f" WHERE {bounds} AND hash({keys}) IN ({mine})" if limits else ""
    ranked = f"SELECT {own}, row_number() OVER (PARTITION BY {keys} ORDER BY {as_of(at)}) AS _choice"
    return f"SELECT {own} FROM ({ranked} FROM {source}{some}) WHERE _choice = 1{within}"


def _count(connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, source: str) -> int:
    at = quoted(definition.at) if definition.at else "1"
    row = connection.execute(f"SELECT count(*), count({at}) FROM {source}").fetchone()
    assert row is not None
    if row[0] != row[1]:
        raise FeatureError(
            f"{definition.examples}: {counted(row[0] - row[1], 'example has', 'examples have')} no {definition.at}.",
            remedy="An example needs its prediction time.",
        )
    return int(row[0])


def _features(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    frame: pl.DataFrame,
    tables: Mapping[str, str],
    since: Mapping[str, datetime | None],
) -> pl.DataFrame:
    frame = frame.with_columns(pl.col(name).cast(dtype) for name, dtype in definition.row_schema.items())
    early = derive(frame, layers([form for form in definition.derived if form.early], definition.schema))
    batch = Batch(connection, early, _at(definition, frame), tables)
    joined: dict[str, pl.Series] = {}
    for forms in passes(definition.joined):
        joined |= forms[0].compute(forms, definition.tables[forms[0].table], batch)
    for form in definition.joined:
        if form.null_until_available:
            began = since[form.table]
            available = pl.col(definition.at or "") > began if began is not None else pl.lit(False)
            for output in form.outputs:
                joined[output] = frame.select(pl.when(available).then(joined[output]).alias(output))[output]
    wide = early.with_columns(**joined)
    wide = derive(wide, layers([form for form in definition.derived if not form.early], definition.schema))
    return wide.select(pl.col(name).cast(dtype) for name, dtype in definition.schema.items())


def _at(definition: FeatureDefinition, frame: pl.DataFrame) -> Integers:
    if definition.at is None:
        return np.full(len(frame), TIMELESS, np.int64)
    return np.asarray(frame[definition.at].dt.epoch("us").to_numpy(), np.int64)
