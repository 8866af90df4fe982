"""Arithmetic of expressions: whole numbers as Int64 or a fault, fractions as Float64 (S13).

Whole numbers are computed in 64 bits where the bounds of the operands' types show that the result fits, and otherwise
in 128 bits, from which a result that does not fit is a fault and never another number.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from ml_platform.spec.expression_operands import (
    INT64,
    Bounds,
    Operand,
    constant,
    fits,
    fraction,
    in_type,
    narrowed,
    type_after,
    unified,
    with_faults,
    without_nan,
)

_FARTHEST = 2**63 + 1  # a factor beyond counts as this: its product with anything but 0 does not fit either


def add(a: Operand, b: Operand) -> Operand:
    """a + b; also of texts and times, as polars adds them."""
    return _arithmetic(a, b, lambda x, y: x + y, lambda p, q: (p[0] + q[0], p[1] + q[1]))


def subtract(a: Operand, b: Operand) -> Operand:
    """a - b; also of times, as polars subtracts them."""
    return _arithmetic(a, b, lambda x, y: x - y, lambda p, q: (p[0] - q[1], p[1] - q[0]))


def multiply(a: Operand, b: Operand) -> Operand:
    """a * b; a duration times a whole number fits its 64 bits or is a fault."""
    for span, factor in ((a, b), (b, a)):
        if isinstance(span.dtype, pl.Duration) and factor.counts:
            ticks = multiply(Operand(span.value.cast(pl.Int64), pl.Int64(), span.fault), factor)
            return Operand(ticks.value.cast(span.dtype), span.dtype, ticks.fault)
    return _arithmetic(_bounded(a), _bounded(b), lambda x, y: x * y, _products)


def divide(a: Operand, b: Operand) -> Operand:
    """The double nearest to the quotient of two doubles; null where b is 0."""
    if _numbers(a, b):
        x, y = fraction(a), fraction(b)
        return Operand(x.value / _divisor(x, y), pl.Float64()).after(a, b)
    not_zero = b.value.cast(pl.Float64 if b.numeric else pl.Int64) != 0
    return _plain(a, b, lambda x, y: x / y, pl.when(not_zero).then(b.value))


def floor_divide(a: Operand, b: Operand) -> Operand:
    """The greatest whole number not above a / b; null where b is 0."""
    if a.counts and b.counts:
        return _computed([a, b], lambda x, y: x // pl.when(y != 0).then(y), _quotients(a.bounds, b.bounds))
    x, y = fraction(a), fraction(b)
    return Operand((x.value / _divisor(x, y)).floor(), pl.Float64()).after(a, b)


def modulo(a: Operand, b: Operand) -> Operand:
    """a - b * (a // b), which has the sign of b; null where b is 0."""
    if a.counts and b.counts:
        bounds = min(b.bounds[0], 0), max(b.bounds[1], 0)
        return _computed([a, b], lambda x, y: x % pl.when(y != 0).then(y), bounds)
    x, y = fraction(a), fraction(b)
    divisor = _divisor(x, y)
    return Operand(x.value - divisor * (x.value / divisor).floor(), pl.Float64()).after(a, b)


def negate(a: Operand) -> Operand:
    """-a."""
    if a.counts:
        return subtract(constant(0), a)
    x = fraction(a) if a.fractional else a
    return replace(x, value=-x.value)


def absolute(a: Operand) -> Operand:
    """The size of a number or duration."""
    if a.counts:
        return _computed([a], lambda x: x.abs(), (0, max(map(abs, a.bounds))))
    x = fraction(a) if a.fractional else a
    return replace(x, value=x.value.abs())


def sign(a: Operand) -> Operand:
    """-1, 0 or 1."""
    if a.counts:
        return _computed([a], lambda x: x.sign(), (-1, 1))
    x = fraction(a)
    return replace(x, value=x.value.sign())


def sum_horizontal(*parts: Operand, ignore_nulls: bool) -> Operand:
    """The sum; NaN is null, and nulls are left out or make the sum null."""
    there = unified([without_nan(part) for part in parts])

    def total(*values: pl.Expr) -> pl.Expr:
        return pl.sum_horizontal(*values, ignore_nulls=ignore_nulls)

    if there and all(part.counts for part in there):
        low, high = (sum(part.bounds[side] for part in there) for side in (0, 1))
        return _computed(there, total, (min(low, 0), max(high, 0)))
    return Operand(total(*(part.value for part in there)), type_after(there, total)).after(*parts)


def whole_power(base: Operand, exponent: int) -> Operand:
    """base ** exponent for a literal that is not negative: whole for a whole base."""
    if not base.counts:
        return power(base, constant(exponent))
    if exponent == 0:
        one = (base.value == base.value).cast(pl.Int64)  # polars takes a `when` of literals alone for a single row
        return Operand(one, pl.Int64(), base.fault, (1, 1))
    high, low = _root(INT64[1], exponent), -_root(2**63 if exponent % 2 else INT64[1], exponent)
    inside = pl.when(base.value.is_between(low, high)).then(base.value).cast(pl.Int64)
    beyond = inside.is_null() & base.value.is_not_null()
    # Beyond 63, only -1, 0 and 1 are left, which have the power of any exponent that is as even or odd.
    raised = inside ** (exponent if exponent < 64 else 2 + exponent % 2)
    return with_faults(Operand(raised, pl.Int64(), base.fault), [beyond])


def power(base: Operand, exponent: Operand) -> Operand:
    """The power of doubles; null where it is a division by zero."""
    x, y = fraction(base), fraction(exponent)
    value = pl.when((x.value != 0) | (y.value >= 0)).then(x.value**y.value)
    return Operand(value, pl.Float64()).after(base, exponent)


def _root(value: int, exponent: int) -> int:
    """The greatest whole number whose power is at most `value`, from 1 to 2^63."""
    low, high = 1, 2**63
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle ** min(exponent, 64) <= value else (low, middle - 1)
    return low


def _arithmetic(
    a: Operand, b: Operand, build: Callable[[pl.Expr, pl.Expr], pl.Expr], bounds: Callable[[Bounds, Bounds], Bounds]
) -> Operand:
    if a.counts and b.counts:
        return _computed([a, b], build, bounds(a.bounds, b.bounds))
    if _numbers(a, b):
        x, y = fraction(a), fraction(b)
        return Operand(build(x.value, y.value), pl.Float64()).after(a, b)
    return _plain(a, b, build, b.value)


def _computed(inputs: Sequence[Operand], build: Callable[..., pl.Expr], bounds: Bounds) -> Operand:
    """Of whole numbers, whose result lies in `bounds` by the types of the inputs."""
    width = pl.Int64() if all(map(fits, [bounds, *(item.bounds for item in inputs)])) else pl.Int128()
    wide = [in_type(width, item) for item in inputs]
    result = Operand(build(*(item.value for item in wide)), width, within=bounds)
    return narrowed(result).after(*inputs)


def _plain(a: Operand, b: Operand, build: Callable[[pl.Expr, pl.Expr], pl.Expr], second: pl.Expr) -> Operand:
    return Operand(build(a.value, second), type_after([a, b], build)).after(a, b)


def _numbers(*operands: Operand) -> bool:
    return all(item.counts or item.fractional for item in operands)


def _bounded(operand: Operand) -> Operand:
    if not operand.counts or fits(operand.bounds):
        return operand
    low, high = max(operand.bounds[0], -_FARTHEST), min(operand.bounds[1], _FARTHEST)
    clipped = operand.value.cast(pl.Int128).clip(pl.lit(low, dtype=pl.Int128), pl.lit(high, dtype=pl.Int128))
    return Operand(clipped, pl.Int128(), operand.fault, (low, high))


def _products(p: Bounds, q: Bounds) -> Bounds:
    corners = [x * y for x in p for y in q]
    return min(corners), max(corners)


def _quotients(p: Bounds, q: Bounds) -> Bounds:
    if q[0] >= 0:
        return min(p[0], 0), max(p[1], 0)
    size = max(map(abs, p))
    return -size, size


def _divisor(x: Operand, y: Operand) -> pl.Expr:
    """`y`, null where it is 0, and never one value for all rows: polars would multiply by its reciprocal."""
    row_by_row = (x.value != x.value).cast(pl.Float64)  # 0
    return pl.when(y.value != 0).then(y.value) + row_by_row
