"""Bounds of the keys of some rows, so that DuckLake does not read the files of other keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted

_COLUMNS = 2  # of a key; each more makes DuckLake read its statistics of all files once more
# Types whose text is exact, in the order in which they are compared. Floats are not: a NaN, and 0 and -0.
_ORDERED = {
    *("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT"),
    *("VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}


@dataclass(frozen=True)
class Bounds:
    """Column → its SQL type, least and greatest value as text, both included. Other columns have any value."""

    ranges: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)

    @property
    def condition(self) -> str:
        """What every row within the bounds meets, such as `"id" BETWEEN … AND …`; `true` without bounds."""
        return (
            " AND ".join(
                f"{quoted(name)} BETWEEN CAST({literal(least)} AS {kind}) AND CAST({literal(greatest)} AS {kind})"
                for name, (kind, least, greatest) in self.ranges.items()
            )
            or "true"
        )


def key_bounds(lake: Lake, rows: str, key: Sequence[str]) -> Bounds:
    """Bounds that every row with a key of `rows` (a query) is within, of columns with bounds that can be written."""
    names = [quoted(name) for name in key[:_COLUMNS]]
    asked = [f"any_value(typeof({n})), min({n})::VARCHAR, max({n})::VARCHAR, count({n}) = count(*)" for n in names]
    (ends,) = lake.rows(f"SELECT {', '.join(asked)} FROM ({rows})")
    ranges = {}
    for index, name in enumerate(key[:_COLUMNS]):
        kind, least, greatest, complete = ends[4 * index : 4 * index + 4]
        # A null is equal to a null as a key, and has no bounds. No query holds a text with a NUL.
        if kind in _ORDERED and complete and least is not None and "\0" not in least + greatest:
            ranges[name] = kind, least, greatest
    return Bounds(ranges)


def times_between(column: str, first: datetime, last: datetime) -> Bounds:
    """Bounds of a column of times in UTC, both included.

    >>> from datetime import UTC, datetime
    >>> times_between("at", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)).ranges
    {'at': ('TIMESTAMP WITH TIME ZONE', '2024-01-01 00:00:00+00', '2024-01-02 00:00:00+00')}
    """
    return Bounds({column: ("TIMESTAMP WITH TIME ZONE", _text(first), _text(last))})


def _text(moment: datetime) -> str:
    """As DuckDB writes it: a fraction does not end with 0."""
    whole, point, fraction = str(moment.astimezone(UTC).replace(tzinfo=None)).partition(".")
    return f"{whole}{point}{fraction.rstrip('0')}+00"
