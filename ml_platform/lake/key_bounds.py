"""Bounds of the keys of some rows, so that DuckLake does not read the files of other keys."""

from collections.abc import Sequence

from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted

_COLUMNS = 2  # of a key; each more makes DuckLake read its statistics of all files once more
# Types whose text is exact, in the order in which they are compared. Floats are not: a NaN, and 0 and -0.
_ORDERED = {
    *("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT"),
    *("VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}


def key_bounds(lake: Lake, rows: str, key: Sequence[str]) -> str:
    """A condition that every row with a key of `rows` (a query) meets, such as `"id" BETWEEN … AND …`.

    `true` where no column of the key has bounds that can be written down.
    """
    names = [quoted(name) for name in key[:_COLUMNS]]
    asked = [f"any_value(typeof({n})), min({n})::VARCHAR, max({n})::VARCHAR, count({n}) = count(*)" for n in names]
    (ends,) = lake.rows(f"SELECT {', '.join(asked)} FROM ({rows})")
    bounds = []
    for index, name in enumerate(names):
        kind, least, greatest, complete = ends[4 * index : 4 * index + 4]
        # A null is equal to a null as a key, and has no bounds. No query holds a text with a NUL.
        if kind in _ORDERED and complete and least is not None and "\0" not in least + greatest:
            least, greatest = (f"CAST({literal(end)} AS {kind})" for end in (least, greatest))
            bounds.append(f"{name} BETWEEN {least} AND {greatest}")
    return " AND ".join(bounds) or "true"
