"""From validated rows to the values of the online store."""

from collections.abc import Iterator

import duckdb
import numpy as np
import polars as pl

from ml_platform.features.kept.answering import value_name
from ml_platform.features.kept.passes import CLOCK, TIMES, UNTIL, USABLE, KeptPass
from ml_platform.features.relations import relation
from ml_platform.naming import quoted

ROWS = 500_000  # packed at once


def kept_values(
    connection: duckdb.DuckDBPyConnection, kept: KeptPass, sql: str, horizon: int | None = None, *, rows: int = ROWS
) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of one pass, for all keys of a validated relation; names come once each.

    sql:     the relation, with `_path` for a table without key (`version_order.with_paths`).
    horizon: no example asks for an `at` before it, in microseconds; None: any may.
    rows:    how many are held at once; keys are divided so that about so many come together.
    """
    source = f"{relation(sql)} e WHERE e._usable_at IS NOT NULL"
    counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    parts = 1 + (int(counted[0]) if counted else 0) // rows if kept.by else 1
    names = [*kept.reads, "_usable_at", "_superseded_at"]
    names += [name for name in (*kept.order, kept.clock) if name.startswith("_")]
    columns = ", ".join(f"e.{quoted(name)}" for name in dict.fromkeys(names))
    by = ", ".join(f"e.{quoted(name)}" for name in kept.by)
    for part in range(parts):
        near = f" AND hash({by}) % {parts} = {part}" if parts > 1 else ""
        frame = connection.execute(f"SELECT {columns} FROM {source}{near}").pl()
        typed = {name: dtype for name, dtype in kept.table.columns.items() if name in frame.columns}
        yield from _packed(kept, frame.with_columns(pl.col(name).cast(dtype) for name, dtype in typed.items()), horizon)


def _packed(kept: KeptPass, frame: pl.DataFrame, horizon: int | None) -> Iterator[tuple[bytes, bytes]]:
    ordered, columns = kept.kept(frame)
    if not ordered.height:
        return
    times = {name: columns[name].data for name in TIMES}
    if kept.by:
        counts = ordered.group_by(kept.by, maintain_order=True).len(name="_rows")
        keys = counts.select(kept.by).iter_rows()
        ends = np.cumsum(counts["_rows"].to_numpy()).tolist()
    else:
        keys, ends = iter([()]), [ordered.height]
    start = 0
    for key, end in zip(keys, ends, strict=True):
        name = value_name(kept, key)
        assert name is not None  # `kept` leaves out keys with nulls
        first = int(times[USABLE][start:end].min())
        chosen = {column: values.slice(start, end) for column, values in columns.items()}
        if horizon is not None:
            of_key = {column: chosen[column].data for column in (CLOCK, USABLE, UNTIL)}
            left = np.flatnonzero(kept.reachable(of_key, horizon))
            chosen = {column: values.take(left) for column, values in chosen.items()}
        start = end
        if len(chosen[CLOCK].data):
            yield name, kept.layout.pack(len(chosen[CLOCK].data), first, chosen)
