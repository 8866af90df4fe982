"""Rows as Python values, also where Python has no value for a cell: a date after the year 9999, for example."""

from typing import Any

import polars as pl
from polars.exceptions import PanicException

_NO_VALUE = (ValueError, OverflowError, PanicException)  # what polars raises where Python has no such value


def python_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """One dict a row. A date or time that Python cannot hold becomes text: its distance from 1970-01-01.

    >>> python_rows(pl.DataFrame({"day": pl.Series([0, 10_000_000]).cast(pl.Int32).cast(pl.Date)}))[1]
    {'day': '+10000000 days from 1970-01-01'}
    """
    columns = [_values(column) for column in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pl.Series) -> list[Any]:
    try:
        return column.to_list()
    except _NO_VALUE:
        return [_value(column[i : i + 1]) for i in range(len(column))]


def _value(cell: pl.Series) -> Any:
    try:
        return cell.to_list()[0]
    except _NO_VALUE:
        if isinstance(cell.dtype, pl.Date):
            return f"{cell.to_physical()[0]:+} days from 1970-01-01"
        if isinstance(cell.dtype, pl.Datetime):
            return f"{cell.to_physical()[0]:+} {cell.dtype.time_unit} from 1970-01-01"
        return f"a {cell.dtype} that cannot be shown"
