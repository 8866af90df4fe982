"""How a version's columns are kept in `raw.<table>`: nothing is renamed, converted or lost without a note.

A column goes into the raw column of its name. Where that one has another type (DuckDB does not tell
`Delay` from `delay` either), or the name is the platform's own, it goes into a column beside it,
named `<name>::<type>`. `files.columns` of the operational state remembers which went where.
"""

import json

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.naming import quoted

FILE, ROW = "_file", "_row"
_OWN = {FILE, ROW, "_partition"}
Placed = dict[str, tuple[str | None, str]]  # name in the file -> column in raw (None: all null), DuckDB type


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with types that the lake holds: times in microseconds (S1), the rest as text.

    The rest: categories, huge integers, and as JSON what holds a structure without fields.
    """
    kinds: dict[str, pl.DataType] = {}
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Datetime) and kind.time_unit != "us":
            kinds[name] = pl.Datetime("us", kind.time_zone)
        elif isinstance(kind, pl.Categorical | pl.Enum) or kind in (pl.Int128, pl.UInt128, pl.Object):
            kinds[name] = pl.String()
    empty = [pl.Series(c.name, map(_json, c), dtype=pl.String) for c in frame if _holds_nothing(c.dtype)]
    if empty:
        frame = frame.with_columns(empty)
    return frame.cast(kinds) if kinds else frame  # type: ignore[arg-type]  # polars' stub wants a wider mapping


def _holds_nothing(kind: pl.DataType) -> bool:
    """Whether a structure without fields is in it, such as that of `{}`. DuckDB has no such type."""
    if isinstance(kind, pl.Struct):
        return not kind.fields or any(_holds_nothing(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return isinstance(kind, pl.List | pl.Array) and _holds_nothing(kind.inner)  # type: ignore[arg-type]


def _json(value: object) -> str | None:
    if value is None:
        return None
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return json.dumps(plain, default=str)


def homes_of(frame: pl.DataFrame, existing: dict[str, str], incoming: dict[str, str]) -> Placed:
    """Where each column of `frame` goes, given the raw table's columns and the frame's DuckDB types."""
    taken = {name.lower(): (name, kind) for name, kind in existing.items()}
    used = {name.lower() for name in _OWN}
    placed: Placed = {}
    for name, kind in frame.schema.items():
        if kind == pl.Null:
            placed[name] = (None, "NULL")
            continue
        short = incoming[name] if len(incoming[name]) <= 30 else incoming[name].split("(")[0]
        candidates = [name, *(f"{name}::{short}{suffix}" for suffix in ("", *(f"#{n}" for n in range(2, 1000))))]
        for candidate in candidates:
            lower = candidate.lower()
            home, stored = taken.get(lower, (candidate, incoming[name]))
            if lower not in used and stored == incoming[name]:
                placed[name] = (home, incoming[name])
                used.add(lower)
                break
    return placed


def types_in_duckdb(lake: Lake, frame: pl.DataFrame) -> dict[str, str]:
    """DuckDB's type for each column of `frame`."""
    plain = frame.clear()
    plain.columns = [f"c{i}" for i in range(frame.width)]
    if not frame.width:
        return {}
    lake.connection.register("incoming_types", plain.to_arrow())
    try:
        described = lake.rows("DESCRIBE SELECT * FROM temp.main.incoming_types")
    finally:
        lake.connection.unregister("incoming_types")
    return {name: kind for name, (_, kind, *_) in zip(frame.columns, described, strict=True)}


def read_raw(lake: Lake, table: str, file_id: str, columns: str, rows: list[int] | None = None) -> pl.DataFrame:
    """The rows of one file version as they were read, with `_row`; only those numbered `rows` when given.

    `columns` is the JSON text in `files.columns` of the operational state.
    """
    placed: dict[str, tuple[str | None, str]] = json.loads(columns)
    stored = [(name, home) for name, (home, _) in placed.items() if home is not None]
    listed = ", ".join([f"{ROW} AS r", *(f"{quoted(home)} AS c{i}" for i, (_, home) in enumerate(stored))])
    where = "_file = ?" if rows is None else "_file = ? AND _row IN (SELECT unnest(?::BIGINT[]))"
    stored_rows = lake.frame(
        f"SELECT {listed} FROM raw.{quoted(table)} WHERE {where} ORDER BY {ROW}",
        [file_id] if rows is None else [file_id, rows],
    )
    names = {f"c{i}": name for i, (name, _) in enumerate(stored)}
    empty = [pl.lit(None).alias(f"n{i}") for i, (home, _) in enumerate(placed.values()) if home is None]
    names |= {f"n{i}": name for i, (name, (home, _)) in enumerate(placed.items()) if home is None}
    frame = stored_rows.with_columns(empty)
    back = {name: alias for alias, name in names.items()}
    frame = frame.select("r", *(back[name] for name in placed))
    # A file's own column `_row` goes by its name in the raw table: ours must stay what it is.
    frame.columns = [ROW, *(str(home) if name == ROW else name for name, (home, _) in placed.items())]
    return frame
