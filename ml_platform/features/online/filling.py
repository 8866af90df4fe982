"""From validated rows to the values of the online store."""

from collections.abc import Iterator

import duckdb
import numpy as np
import polars as pl

from ml_platform.features.online.answering import value_name
from ml_platform.features.online.passes import CLOCK, TIMES, UNTIL, USABLE, OnlinePass
from ml_platform.features.relations import relation
from ml_platform.naming import quoted

ROWS = 500_000  # packed at once


def online_values(
    connection: duckdb.DuckDBPyConnection,
    online_pass: OnlinePass,
    sql: str,
    horizon: int | None = None,
    *,
    rows: int = ROWS,
) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of one pass, for all keys of a validated relation; names come once each.

    sql:     the relation, with `_path` for a table without key (`version_order.with_paths`).
    horizon: no example asks for an `at` before it, in microseconds; None: any may.
    rows:    how many are held at once; keys are divided so that about so many come together.
    """
    source = f"{relation(sql)} e WHERE e._usable_at IS NOT NULL"
    counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    parts = 1 + (int(counted[0]) if counted else 0) // rows if online_pass.by else 1
    columns = ", ".join(f"e.{quoted(name)}" for name in columns_read(online_pass))
    by = ", ".join(f"e.{quoted(name)}" for name in online_pass.by)
    for part in range(parts):
        near = f" AND hash({by}) % {parts} = {part}" if parts > 1 else ""
        frame = connection.execute(f"SELECT {columns} FROM {source}{near}").pl()
        types = [pl.col(name).cast(dtype) for name, dtype in online_pass.table.columns.items() if name in frame.columns]
        yield from _packed(online_pass, frame.with_columns(types), horizon)


def columns_read(online_pass: OnlinePass) -> list[str]:
    """The columns of the validated relation that `online_values` reads."""
    names = [*online_pass.reads, "_usable_at", "_superseded_at"]
    names += [name for name in (*online_pass.order, online_pass.clock) if name.startswith("_")]
    return list(dict.fromkeys(names))


def _packed(online_pass: OnlinePass, frame: pl.DataFrame, horizon: int | None) -> Iterator[tuple[bytes, bytes]]:
    ordered, columns = online_pass.select_rows(frame)
    if not ordered.height:
        return
    times = {name: columns[name].data for name in TIMES}
    if online_pass.by:
        counts = ordered.group_by(online_pass.by, maintain_order=True).len(name="_rows")
        keys = counts.select(online_pass.by).iter_rows()
        ends = np.cumsum(counts["_rows"].to_numpy()).tolist()
    else:
        keys, ends = iter([()]), [ordered.height]
    start = 0
    for key, end in zip(keys, ends, strict=True):
        name = value_name(online_pass, key)
        assert name is not None  # `select_rows` leaves out keys with nulls
        first = int(times[USABLE][start:end].min())
        chosen = {column: values.slice(start, end) for column, values in columns.items()}
        if horizon is not None:
            of_key = {column: chosen[column].data for column in (CLOCK, USABLE, UNTIL)}
            reachable_rows = np.flatnonzero(online_pass.reachable(of_key, horizon))
            chosen = {column: values.take(reachable_rows) for column, values in chosen.items()}
        start = end
        if len(chosen[CLOCK].data):
            yield name, online_pass.layout.pack(len(chosen[CLOCK].data), first, chosen)
