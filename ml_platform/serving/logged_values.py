"""Values as answers and the prediction log have them in JSON, and the way back to columns of their types."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import polars as pl


def json_value(value: Any) -> Any:
    """A value as JSON has it; NaN and infinity as text.

    >>> json_value(float("nan")), json_value(date(2024, 1, 31)), json_value(Decimal("1.50"))
    ('nan', '2024-01-31', '1.50')
    """
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date | Decimal):
        return str(value)
    return value


def logged_frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Logged values by name, row by row, as columns of the types that they had. A value that is not logged is null.

    >>> logged_frame([{"delay": 1.5, "day": "2024-02-01"}], {"delay": pl.Float64(), "day": pl.Date()}).row(0)
    (1.5, datetime.date(2024, 2, 1))
    """
    return pl.DataFrame([_column(name, dtype, [row.get(name) for row in rows]) for name, dtype in schema.items()])


def _column(name: str, dtype: pl.DataType, values: Sequence[Any]) -> pl.Series:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        moments = pl.Series(name, _parsed(datetime.fromisoformat, values), pl.Datetime("us", "UTC"))
        return moments.dt.convert_time_zone(dtype.time_zone).cast(dtype)
    parse = _PARSERS.get(dtype.base_type())
    return pl.Series(name, _parsed(parse, values) if parse is not None else values, dtype)


def _parsed(parse: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    return [None if value is None else parse(value) for value in values]


# Of types whose values JSON does not have. NaN and infinity are logged as text.
_PARSERS: dict[type[pl.DataType], Callable[[Any], Any]] = {
    pl.Float64: float,
    pl.Float32: float,
    pl.Datetime: datetime.fromisoformat,
    pl.Date: date.fromisoformat,
    pl.Decimal: Decimal,
}
