"""Rows as Python values, also where Python has no value for a cell: a date after the year 9999, for example."""

from datetime import date
from typing import Any, cast

import polars as pl

_DAYS = (date.min.toordinal() - date(1970, 1, 1).toordinal(), date.max.toordinal() - date(1970, 1, 1).toordinal())
_UNITS = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # in a second
_DAY = 86_400  # seconds


def python_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """One dict a row. A date or time that Python cannot hold becomes text: its distance from 1970-01-01.

    >>> python_rows(pl.DataFrame({"day": pl.Series([0, 10_000_000]).cast(pl.Int32).cast(pl.Date)}))[1]
    {'day': '+10000000 days from 1970-01-01'}
    """
    columns = [_values(column) for column in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pl.Series) -> list[Any]:
    if _fits(column.to_physical(), column.dtype):
        return column.to_list()
    return [_value(column[i : i + 1]) for i in range(len(column))]


def _value(cell: pl.Series) -> Any:
    if _fits(cell.to_physical(), cell.dtype):
        return cell.to_list()[0]
    if isinstance(cell.dtype, pl.Date):
        return f"{cell.to_physical()[0]:+} days from 1970-01-01"
    if isinstance(cell.dtype, pl.Datetime):
        return f"{cell.to_physical()[0]:+} {cell.dtype.time_unit} from 1970-01-01"
    return f"a {cell.dtype} that cannot be shown"


def _fits(physical: pl.Series, kind: pl.DataType) -> bool:
    """Whether Python has a value for every cell. Polars panics at others, and prints the panic before it raises it.

    Args:
        physical: The cells as polars stores them: a date is a number of days.
        kind: What they mean.
    """
    match kind:
        case pl.Date():
            return _within(physical, *_DAYS)
        case pl.Datetime():
            second = _UNITS[kind.time_unit]
            margin = 0 if kind.time_zone in (None, "UTC", "Etc/UTC") else 1  # its local date may be the next one
            first, last = (_DAYS[0] + margin) * _DAY, (_DAYS[1] + 1 - margin) * _DAY
            return _within(physical, first * second, last * second - 1)
        case pl.List() | pl.Array():
            return _fits(physical.explode(), _type(kind.inner))
        case pl.Struct():
            parts = physical.struct.unnest()
            return all(_fits(part, _type(field.dtype)) for part, field in zip(parts, kind.fields, strict=True))
        case pl.Map():
            keys, values = physical.explode().struct.unnest()
            return _fits(keys, _type(kind.key)) and _fits(values, _type(kind.value))
    return True


def _type(kind: Any) -> pl.DataType:
    return cast(pl.DataType, kind() if isinstance(kind, type) else kind)


def _within(numbers: pl.Series, first: int, last: int) -> bool:
    least, most = cast("int | None", numbers.min()), cast("int | None", numbers.max())
    return least is None or most is None or (first <= least and most <= last)
