"""Parts of expressions that Python computes, and how their types are brought together."""

from collections.abc import Callable, Mapping, Sequence
from ctypes import c_float
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from ml_platform.spec.durations import since_epoch

Row = Mapping[str, Any]
Function = Callable[[Row], Any]

EPOCH_DAY = date(1970, 1, 1).toordinal()
LOWEST, HIGHEST = -(2**63), 2**63 - 1
_EXACT = 2**53  # whole numbers up to it are doubles


class Unsupported(Exception):
    """An expression that is left to polars."""


class Deferred(Exception):
    """A row that is left to polars: it may have another result than the function here, or none."""


@dataclass(frozen=True)
class Scalar:
    """Part of an expression.

    dtype: its polars type; Int64 stands for all whole numbers that were computed.
    of:    its value for a row; None is null. Days since 1970 for a Date, microseconds for times and durations.
    """

    dtype: pl.DataType
    of: Function

    @property
    def fractional(self) -> bool:
        """Whether it is a float."""
        return self.dtype.is_float()

    @property
    def counts(self) -> bool:
        """Whether it can stand for a whole number: a bool is 0 or 1."""
        return self.dtype.is_integer() or self.dtype == pl.Boolean


def fitting(value: int) -> int:
    """A whole number of 64 bits; any other is a fault, which polars reports."""
    if LOWEST <= value <= HIGHEST:
        return value
    raise Deferred


def column(name: str, dtype: pl.DataType) -> Scalar:
    """A column of the row, whose values are as polars gives them to Python; other types are deferred."""
    return Scalar(dtype, _reader(name, dtype))


def _reader(name: str, dtype: pl.DataType) -> Function:
    if dtype == pl.Float64:
        return _float_reader(name)
    kind, convert = _conversion(dtype)

    def of(row: Row) -> Any:
        value = row[name]
        if value is None:
            return None
        if type(value) is kind:
            return convert(value)
        raise Deferred

    return of


def _conversion(dtype: pl.DataType) -> tuple[type, Callable[[Any], Any]]:
    """Of which Python type the values of a column are, and what makes one into that of a Scalar."""
    if dtype.is_integer():
        low, high = bounds_of(dtype)

        def within(value: int) -> int:
            if low <= value <= high:
                return value
            raise Deferred

        return int, within
    if dtype == pl.Float32:
        return float, rounded_to_32_bits
    if dtype == pl.Boolean:
        return bool, bool
    if dtype == pl.String:
        return str, str
    if dtype == pl.Date:
        return date, lambda day: day.toordinal() - EPOCH_DAY
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us" and dtype.time_zone:
        return datetime, _since_epoch
    raise Unsupported


def _since_epoch(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise Deferred
    return since_epoch(moment)


def bounds_of(dtype: pl.DataType) -> tuple[int, int]:
    """The least and greatest whole number of a type."""
    bits = int(str(dtype).lstrip("UInt"))
    return (0, 2**bits - 1) if dtype.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _float_reader(name: str) -> Function:
    def of(row: Row) -> float | None:
        value = row[name]
        if value is None or type(value) is float:
            return value
        if type(value) is int and -_EXACT <= value <= _EXACT:
            return float(value)
        raise Deferred

    return of


def rounded_to_32_bits(value: float) -> float:
    """The nearest float of 32 bits; infinite beyond the largest."""
    return c_float(value).value


def constant(value: Any, dtype: pl.DataType) -> Scalar:
    """The same value for every row."""
    return Scalar(dtype, lambda row: value)


def applied(dtype: pl.DataType, function: Callable[..., Any], *inputs: Scalar) -> Scalar:
    """A function of values that are not null; null where one is. All are computed, because each may have a fault."""
    if len(inputs) == 1:
        only = inputs[0].of

        def of_one(row: Row) -> Any:
            value = only(row)
            return None if value is None else function(value)

        return Scalar(dtype, of_one)
    if len(inputs) == 2:
        first, second = inputs[0].of, inputs[1].of

        def of_two(row: Row) -> Any:
            a, b = first(row), second(row)
            return None if a is None or b is None else function(a, b)

        return Scalar(dtype, of_two)
    functions = [item.of for item in inputs]

    def of_all(row: Row) -> Any:
        values = [of(row) for of in functions]
        return None if None in values else function(*values)

    return Scalar(dtype, of_all)


def without_nan(scalar: Scalar) -> Scalar:
    """NaN as null."""
    if not scalar.fractional:
        return scalar
    inner = scalar.of

    def of(row: Row) -> float | None:
        value: float | None = inner(row)
        return None if value != value else value

    return Scalar(scalar.dtype, of)


def fraction(scalar: Scalar) -> Scalar:
    """As Float64."""
    if scalar.fractional:
        return Scalar(pl.Float64(), scalar.of)
    if scalar.counts:
        return applied(pl.Float64(), float, scalar)
    raise Unsupported


def whole(scalar: Scalar) -> Scalar:
    """As Int64."""
    if not scalar.counts:
        raise Unsupported
    return applied(pl.Int64(), lambda value: fitting(int(value)), scalar)


def unified(scalars: Sequence[Scalar], *, exact: bool = False) -> list[Scalar]:
    """The parts in one type: all numbers as Float64 where one is a fraction. Nulls of no type fit to any.

    exact: Whether whole numbers keep the size of their type, as for comparisons; else they are of Int64.
    """
    typed = [item for item in scalars if item.dtype != pl.Null]
    if any(item.fractional or item.dtype.is_integer() for item in typed):
        if any(item.fractional for item in typed):
            return [item if item.dtype == pl.Null else fraction(item) for item in scalars]
        if exact and all(item.counts for item in typed):
            return list(scalars)
        return [item if item.dtype == pl.Null else whole(item) for item in scalars]
    if len({str(item.dtype) for item in typed}) > 1:
        raise Unsupported
    return list(scalars)


def type_of(unified_scalars: Sequence[Scalar]) -> pl.DataType:
    """The type of parts that were unified."""
    return next((item.dtype for item in unified_scalars if item.dtype != pl.Null), pl.Null())
