"""How a version's columns are kept in `raw.<table>`: nothing is renamed, converted or lost without a note.

A column goes into the raw column of its name. Where that one has another type (DuckDB does not tell
`Delay` from `delay` either), or the name is the platform's own, it goes into a column beside it,
named `<name>::<type>`. `files.columns` of the operational state remembers which went where.
"""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from ml_platform.errors import FileRefused, LimitExceeded, first_line
from ml_platform.lake import file_hashes
from ml_platform.lake.connection import Lake
from ml_platform.lake.storable import storable, to_arrow
from ml_platform.naming import quoted

FILE, ROW = "_file", "_row"
_OWN = {FILE, ROW, "_partition"}
Placed = dict[str, tuple[str | None, str]]  # name in the file -> column in raw (None: all null), DuckDB type


class Places:
    """Where the columns of one version after the other go in the raw table of a name, as far as it goes.

    Nobody else may add columns meanwhile: the table's lock is held.
    """

    def __init__(self, lake: Lake, table: str) -> None:
        self._lake = lake
        self.columns = lake.columns("raw", table)
        self._types: dict[tuple[tuple[str, pl.DataType], ...], dict[str, str]] = {}

    def of(self, frame: pl.DataFrame, path: str) -> Placed:
        """Where each column of `frame` goes. Raises FileRefused when the raw table would become too wide."""
        schema = tuple(frame.schema.items())
        if schema not in self._types:
            self._types[schema] = types_in_duckdb(self._lake, frame)
        placed = homes_of(frame, self.columns, self._types[schema])
        homes = {home: kind for home, kind in placed.values() if home is not None}
        new = [home for home in homes if home not in self.columns]
        most = self._lake.settings.max_columns
        if len(self.columns) + len(new) > most:
            listed = ", ".join(repr(name) for name in new[:3])
            raise LimitExceeded(
                path,
                f"with its {len(new):,} new columns ({listed}, …) the raw table would have "
                f"{len(self.columns) + len(new):,}, and it takes {most:,}",
                "max_columns",
                most,
                position=f"{frame.width:,} columns",
                remedy="Keep fewer columns, or rows of name and value instead of columns.",
            )
        self.columns = self.columns | homes
        return placed


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
        base = name.replace("\0", "\ufffd") or "unnamed"  # SQL has no other name for such a column
        others = (f"{base}::{short}{'' if n == 1 else f'#{n}'}" for n in range(1, 1000))
        for candidate in chain([base], others):
            lower = candidate.lower()
            home, stored = taken.get(lower, (candidate, incoming[name]))
            if lower not in used and stored == incoming[name]:
                placed[name] = (home, incoming[name])
                used.add(lower)
                break
    return placed


def without_form(frame: pl.DataFrame, path: str, panic: PanicException) -> FileRefused:
    """The refusal of a file with values that polars has no other form for, such as times 10^8 years away."""
    return FileRefused(
        path,
        f"its values have no form in the lake: {first_line(panic)}",
        position=", ".join(repr(name) for name in frame.columns if not _has_form(frame[name]))[:300],
        remedy="Write these columns as text.",
    )


def _has_form(column: pl.Series) -> bool:
    try:
        to_arrow(storable(column.to_frame()))
    except PanicException:
        return False
    return True


def types_in_duckdb(lake: Lake, frame: pl.DataFrame) -> dict[str, str]:
    """DuckDB's type for each column of `frame`."""
    plain = frame.clear()
    plain.columns = [f"c{i}" for i in range(frame.width)]
    if not frame.width:
        return {}
    lake.connection.register("incoming_types", to_arrow(plain))
    try:
        described = lake.rows("DESCRIBE SELECT * FROM temp.main.incoming_types")
    finally:
        lake.connection.unregister("incoming_types")
    return {name: kind for name, (_, kind, *_) in zip(frame.columns, described, strict=True)}


def read_raw(lake: Lake, table: str, file_id: str, columns: str, rows: list[int] | None = None) -> pl.DataFrame:
    """The rows of one file version as they were read, with `_row`; only those numbered `rows` when given.

    `columns` is the JSON text in `files.columns` of the operational state.
    """
    where = "_file = ?" if rows is None else "_file = ? AND _row IN (SELECT unnest(?::BIGINT[]))"
    stored = _stored_rows(lake, table, columns, where, [file_id] if rows is None else [file_id, rows])
    return _as_read(stored, columns)


def read_raw_between(lake: Lake, table: str, file_id: str, columns: str, first: int, end: int) -> pl.DataFrame:
    """The rows of one file version from the number `first` on, before `end`, as `read_raw` gives them."""
    stored = _stored_rows(lake, table, columns, "_file = ? AND _row >= ? AND _row < ?", [file_id, first, end], order="")
    return _as_read(stored if stored["r"].is_sorted() else stored.sort("r"), columns)


def read_raw_files(lake: Lake, table: str, file_ids: Sequence[str], columns: str) -> dict[str, pl.DataFrame]:
    """The rows of several file versions with the same `columns`, as `read_raw` gives them; one question for all."""
    where = "_file IN (SELECT unnest(?::VARCHAR[]))"
    stored = _stored_rows(lake, table, columns, where, [list(file_ids)])
    parts = stored.partition_by("f", as_dict=True)
    return {file_id: _as_read(parts.get((file_id,), stored.clear()), columns) for file_id in file_ids}


def _stored_rows(
    lake: Lake, table: str, columns: str, where: str, parameters: list[Any], order: str = f"ORDER BY {FILE}, {ROW}"
) -> pl.DataFrame:
    """`f` (the file), `r` (the row) and c0, c1, … for the columns that are stored."""
    file_hashes.check(lake, [("raw", table)])
    placed: Placed = json.loads(columns)
    stored = [home for home, _ in placed.values() if home is not None]
    listed = ", ".join([f"{FILE} AS f", f"{ROW} AS r", *(f"{quoted(home)} AS c{i}" for i, home in enumerate(stored))])
    return lake.frame(f"SELECT {listed} FROM raw.{quoted(table)} WHERE {where} {order}", parameters)


def as_stored(
    frame: pl.DataFrame, placed: Placed, file_id: str, first: int = 0, removed: Sequence[int] = ()
) -> pl.DataFrame:
    """The rows of a version as they go into the raw table, in their order; `first` is the number of the first.

    removed: the numbers of rows that were forgotten: the others keep theirs (S47).
    """
    # `select` would read a name such as "*" as a pattern.
    kept = [frame[name].alias(home) for name, (home, _) in placed.items() if home is not None]
    ids = pl.Series(FILE, [file_id]).new_from_index(0, frame.height)
    return pl.DataFrame([*kept, ids, original_numbers(first, frame.height, removed).alias(ROW)])


def original_numbers(first: int, count: int, removed: Sequence[int]) -> pl.Series:
    """The numbers that rows of a file have on record, from position `first` on, where others were removed from it.

    >>> original_numbers(1, 3, [0, 2]).to_list()
    [3, 4, 5]
    """
    numbers = pl.int_range(first, first + count, eager=True)
    for number in sorted(removed):
        numbers = numbers + (numbers >= number).cast(pl.Int64)
    return numbers


def _as_read(stored: pl.DataFrame, columns: str) -> pl.DataFrame:
    placed: Placed = json.loads(columns)
    series, taken = {ROW: stored["r"]}, 0
    for name, (home, _) in placed.items():
        # A file's own column `_row` goes by its name in the raw table: ours must stay what it is.
        shown = str(home) if name == ROW else name
        if home is None:
            series[shown] = pl.Series(shown, [None]).new_from_index(0, stored.height)
            continue
        series[shown] = stored[f"c{taken}"]
        taken += 1
    return pl.DataFrame(series)
