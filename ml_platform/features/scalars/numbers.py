"""Arithmetic and casts of single values: `ml_platform.spec.expression_numbers` for Python's numbers."""

import math
from collections.abc import Callable
from typing import Any

import polars as pl

from ml_platform.features.scalars.values import (
    Deferred,
    Row,
    Scalar,
    Unsupported,
    applied,
    bounds_of,
    fitting,
    fraction,
    rounded_to_32_bits,
    unified,
    without_nan,
)

_LONGEST_POWER = 64  # of whole numbers that are computed here
_EXACT = 2**53
_SPAN = pl.Duration("us")


def add(a: Scalar, b: Scalar) -> Scalar:
    """a + b of numbers, texts, durations, and a time with a duration."""
    if a.dtype == b.dtype == pl.String:
        return applied(pl.String(), lambda x, y: x + y, a, b)
    if a.dtype == _SPAN and (b.dtype == _SPAN or _is_time(b)):
        return applied(b.dtype, lambda x, y: fitting(x + y), a, b)
    if _is_time(a) and b.dtype == _SPAN:
        return applied(a.dtype, lambda x, y: fitting(x + y), a, b)
    return _arithmetic(lambda x, y: x + y, a, b)


def subtract(a: Scalar, b: Scalar) -> Scalar:
    """a - b of numbers, durations, times of one zone, and a duration from a time."""
    if b.dtype == _SPAN and (a.dtype == _SPAN or _is_time(a)):
        return applied(a.dtype, lambda x, y: fitting(x - y), a, b)
    if _is_time(a) and a.dtype == b.dtype:
        return applied(_SPAN, lambda x, y: fitting(x - y), a, b)
    return _arithmetic(lambda x, y: x - y, a, b)


def multiply(a: Scalar, b: Scalar) -> Scalar:
    """a * b of numbers."""
    return _arithmetic(lambda x, y: x * y, a, b)


def _is_time(scalar: Scalar) -> bool:
    return isinstance(scalar.dtype, pl.Datetime)


def _arithmetic(function: Callable[[Any, Any], Any], a: Scalar, b: Scalar) -> Scalar:
    if a.counts and b.counts:
        return applied(pl.Int64(), lambda x, y: fitting(function(x, y)), a, b)
    return applied(pl.Float64(), function, fraction(a), fraction(b))


def divide(a: Scalar, b: Scalar) -> Scalar:
    """The quotient of two doubles; null where b is 0."""
    return applied(pl.Float64(), lambda x, y: x / y if y else None, fraction(a), fraction(b))


def floor_divide(a: Scalar, b: Scalar) -> Scalar:
    """The greatest whole number not above a / b; null where b is 0."""
    if a.counts and b.counts:
        return applied(pl.Int64(), lambda x, y: fitting(x // y) if y else None, a, b)
    return applied(pl.Float64(), lambda x, y: floored(x / y) if y else None, fraction(a), fraction(b))


def modulo(a: Scalar, b: Scalar) -> Scalar:
    """a - b * (a // b); null where b is 0."""
    if a.counts and b.counts:
        return applied(pl.Int64(), lambda x, y: fitting(x % y) if y else None, a, b)
    return applied(pl.Float64(), lambda x, y: x - y * floored(x / y) if y else None, fraction(a), fraction(b))


def floored(value: float) -> float:
    """The greatest whole number not above a double, with its sign."""
    return math.copysign(float(math.floor(value)), value) if math.isfinite(value) else value


def raised(value: float) -> float:
    """The least whole number not below a double, with its sign."""
    return math.copysign(float(math.ceil(value)), value) if math.isfinite(value) else value


def negate(a: Scalar) -> Scalar:
    """-a of a number."""
    if a.counts:
        return applied(pl.Int64(), lambda value: fitting(-value), a)
    return applied(pl.Float64(), lambda value: -value, fraction(a))


def absolute(a: Scalar) -> Scalar:
    """The size of a number."""
    if a.counts:
        return applied(pl.Int64(), lambda value: fitting(abs(value)), a)
    return applied(pl.Float64(), abs, fraction(a))


def sign(a: Scalar) -> Scalar:
    """-1, 0 or 1 of a whole number."""
    if not a.counts:
        raise Unsupported
    return applied(pl.Int64(), lambda value: (value > 0) - (value < 0), a)


def rounding(function: Callable[[float], float]) -> Callable[[Scalar], Scalar]:
    """`floor` or `ceil`; a whole number stays as it is."""

    def round_(a: Scalar) -> Scalar:
        if a.dtype.is_integer():
            return applied(pl.Int64(), fitting, a)
        if a.fractional:
            return applied(pl.Float64(), function, fraction(a))
        raise Unsupported

    return round_


def whole_power(base: Scalar, exponent: int) -> Scalar:
    """base ** exponent of whole numbers, for a literal exponent that is not negative."""
    if not base.counts:
        raise Unsupported

    def power(value: int) -> int:
        if exponent > _LONGEST_POWER and abs(value) > 1:
            raise Deferred
        return fitting(int(value) ** exponent)

    return applied(pl.Int64(), power, base)


def root(a: Scalar) -> Scalar:
    """The square root; NaN of a negative number."""
    return applied(pl.Float64(), lambda value: math.sqrt(value) if value >= 0.0 else math.nan, fraction(a))


def logarithm(a: Scalar, base: float) -> Scalar:
    """ln a / ln base, as polars computes it. Where that is not finite, it is deferred."""
    if not base > 0 or base == 1 or math.isinf(base):
        raise Unsupported
    below = math.log(base)
    return applied(pl.Float64(), lambda value: math.log(_between(value, 0.0)) / below, fraction(a))


def of_libm(function: Callable[[float], float], above: float, below: float) -> Callable[[Scalar], Scalar]:
    """A function of C's library, which polars calls too, of finite values between two bounds; others are deferred."""
    return lambda a: applied(pl.Float64(), lambda value: function(_between(value, above, below)), fraction(a))


def _between(value: float, above: float, below: float = math.inf) -> float:
    if above < value < below:
        return value
    raise Deferred


def sum_horizontal(*parts: Scalar, ignore_nulls: bool) -> Scalar:
    """The sum of whole numbers, or of two fractions: polars adds more of them in an order of its own."""
    present = unified([without_nan(part) for part in parts], exact=True)
    functions = [part.of for part in present]
    if all(part.counts for part in present):

        def of_wholes(row: Row) -> int | None:
            values = [of(row) for of in functions]
            if None in values and not ignore_nulls:
                return None
            return fitting(sum(value for value in values if value is not None))

        return Scalar(pl.Int64(), of_wholes)
    if len(present) != 2 or not all(part.fractional for part in present):
        raise Unsupported

    def of_two(row: Row) -> float | None:
        a, b = functions[0](row), functions[1](row)
        if a is None or b is None:
            raise Deferred
        total: float = a + b
        return total or _undecided()

    return Scalar(pl.Float64(), of_two)


def _undecided() -> float:
    raise Deferred


def cast(a: Scalar, dtype: pl.DataType, *, strict: bool) -> Scalar:
    """A number as one of another type; what does not fit is null, or deferred where that is a fault."""
    if not (a.counts or a.fractional):
        raise Unsupported
    if dtype == pl.Float64:
        return fraction(a)
    if dtype == pl.Float32:
        return applied(dtype, rounded_to_32_bits, a if a.fractional else applied(pl.Float64(), _exact, a))
    if dtype == pl.Boolean:
        return applied(dtype, bool, without_nan(a))
    if not dtype.is_integer():
        raise Unsupported
    low, high = bounds_of(dtype)

    def to_whole(value: float) -> int | None:
        number = int(value) if value - value == 0 else high + 1  # infinity does not fit
        if low <= number <= high:
            return number
        if strict:
            raise Deferred
        return None

    return applied(dtype, to_whole, without_nan(a))


def _exact(value: int) -> float:
    if -_EXACT <= value <= _EXACT:
        return float(value)
    raise Deferred  # rounded twice, it could be another one
