"""From validated rows to the values of the online store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import polars as pl

from ml_platform.features.arrays import Mask
from ml_platform.features.online.answering import value_name
from ml_platform.features.online.passes import CLOCK, UNTIL, USABLE, OnlinePass
from ml_platform.features.online.rows import Values
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
        yield from packed(online_pass, frame, horizon)


def columns_read(online_pass: OnlinePass) -> list[str]:
    """The columns of the validated relation that `online_values` reads."""
    names = [*online_pass.reads, "_usable_at", "_superseded_at"]
    names += [name for name in (*online_pass.order, online_pass.clock) if name.startswith("_")]
    return list(dict.fromkeys(names))


def packed(online_pass: OnlinePass, frame: pl.DataFrame, horizon: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of a pass for the keys of a frame, which has all their rows in the validated layout.

    horizon: as in `online_values`. A key of which no row can count has no value.
    """
    ordered, columns = online_pass.select_rows(_typed(online_pass, frame))
    for key, start, end in _keys(online_pass, ordered):
        name = value_name(online_pass, key)
        assert name is not None  # `select_rows` leaves out keys with nulls
        first = int(columns[USABLE].data[start:end].min())
        chosen = {column: values.slice(start, end) for column, values in columns.items()}
        if horizon is not None:
            reachable_rows = np.flatnonzero(_reachable(online_pass, chosen, horizon))
            chosen = {column: values.take(reachable_rows) for column, values in chosen.items()}
        if len(chosen[CLOCK].data):
            yield name, online_pass.layout.pack(len(chosen[CLOCK].data), first, chosen)


def appended(
    online_pass: OnlinePass, frame: pl.DataFrame, read: Callable[[list[bytes]], Sequence[bytes | None]]
) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Values with the rows of a frame behind those that they have, and the names of which that is not the order.

    frame: rows of the validated layout that are new. read: the values under names.
    """
    ordered, columns = online_pass.select_rows(_typed(online_pass, frame))
    spans = [(value_name(online_pass, key) or b"", start, end) for key, start, end in _keys(online_pass, ordered)]
    values: dict[bytes, bytes] = {}
    out_of_order: set[bytes] = set()
    for (name, start, end), value in zip(spans, read([name for name, *_ in spans]), strict=True):
        chosen = {column: values_of.slice(start, end) for column, values_of in columns.items()}
        if value is None:
            out_of_order.add(name)
            continue
        clock = online_pass.layout.read(value).numbers(CLOCK)
        if len(clock) and int(chosen[CLOCK].data[0]) <= int(clock[-1]):
            out_of_order.add(name)
            continue
        first = int(chosen[USABLE].data.min())
        values[name] = online_pass.layout.append(value, end - start, first, chosen)
    return values, out_of_order


def reachable_rows(online_pass: OnlinePass, frame: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """The rows of a frame, which has all rows of its keys, that `packed` packs; with all columns of the frame."""
    ordered, columns = online_pass.select_rows(_typed(online_pass, frame))
    kept = np.zeros(ordered.height, np.bool_)
    for _, start, end in _keys(online_pass, ordered):
        kept[start:end] = _reachable(
            online_pass, {name: columns[name].slice(start, end) for name in (CLOCK, USABLE, UNTIL)}, horizon
        )
    return ordered.filter(pl.Series(kept, dtype=pl.Boolean))


def _typed(online_pass: OnlinePass, frame: pl.DataFrame) -> pl.DataFrame:
    types = frame.schema
    others = [name for name, dtype in online_pass.table.columns.items() if types.get(name, dtype) != dtype]
    return frame.with_columns(frame[name].cast(online_pass.table.columns[name]) for name in others) if others else frame


def _keys(online_pass: OnlinePass, ordered: pl.DataFrame) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Each join key of ordered rows, with where its rows begin and end."""
    if not ordered.height:
        return
    if not online_pass.by:
        yield (), 0, ordered.height
        return
    if ordered.height == 1:
        yield tuple(ordered[name].item() for name in online_pass.by), 0, 1
        return
    counts = ordered.group_by(online_pass.by, maintain_order=True).len(name="_rows")
    start = 0
    for key, count in zip(counts.select(online_pass.by).iter_rows(), counts["_rows"].to_list(), strict=True):
        yield key, start, start + count
        start += count


def _reachable(online_pass: OnlinePass, columns: Mapping[str, Values], horizon: int) -> Mask:
    return online_pass.reachable({name: columns[name].data for name in (CLOCK, USABLE, UNTIL)}, horizon)
