"""Comparisons, logic and choices of single values: the rules of `ml_platform.spec.expression_rules`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from ml_platform.features.scalars.values import (
    Deferred,
    Row,
    Scalar,
    Unsupported,
    applied,
    rounded_to_32_bits,
    type_of,
    unified,
    without_nan,
)

_BOOLEAN = pl.Boolean()


def compared(function: Callable[[Any, Any], bool]) -> Callable[[Scalar, Scalar], Scalar]:
    """A comparison; NaN is null, and null compares to nothing."""

    def compare(a: Scalar, b: Scalar) -> Scalar:
        return applied(_BOOLEAN, function, *unified([without_nan(a), without_nan(b)], exact=True))

    return compare


def compared_with_null(equal: bool) -> Callable[[Scalar, Scalar], Scalar]:
    """Whether two values are (not) the same, where null is the same as null."""

    def compare(a: Scalar, b: Scalar) -> Scalar:
        first, second = (item.of for item in unified([without_nan(a), without_nan(b)], exact=True))

        def of(row: Row) -> bool:
            x, y = first(row), second(row)
            return (x == y if x is not None and y is not None else x is y) is equal

        return Scalar(_BOOLEAN, of)

    return compare


def is_between(value: Scalar, low: Scalar, high: Scalar, closed: str) -> Scalar:
    """Whether a value lies between two others."""
    above = compared((lambda x, y: x >= y) if closed in ("Both", "Left") else (lambda x, y: x > y))(value, low)
    below = compared((lambda x, y: x <= y) if closed in ("Both", "Right") else (lambda x, y: x < y))(value, high)
    return both(above, below)


def is_in(value: Scalar, listed: Sequence[Any], nulls_equal: bool) -> Scalar:
    """Whether a number or text is one of a list, which has no null in it."""
    if nulls_equal or None in listed:
        raise Unsupported
    number = value.fractional or value.dtype.is_integer()
    if not number and value.dtype != pl.String:
        raise Unsupported
    if number:
        if any(isinstance(item, str) for item in listed):
            raise Unsupported
        single = rounded_to_32_bits if value.dtype == pl.Float32 else float
        members: frozenset[Any] = frozenset(map(single, listed)) if value.fractional else frozenset(listed)
    elif all(isinstance(item, str) for item in listed):
        members = frozenset(listed)
    else:
        raise Unsupported
    return applied(_BOOLEAN, members.__contains__, without_nan(value))


def both(a: Scalar, b: Scalar) -> Scalar:
    """Kleene logic: false if either is false, else null if either is null."""
    return _decided_by(False, a, b)


def either(a: Scalar, b: Scalar) -> Scalar:
    """Kleene logic: true if either is true, else null if either is null."""
    return _decided_by(True, a, b)


def _decided_by(decisive: bool, a: Scalar, b: Scalar) -> Scalar:
    """`decisive` if either is, else null if either is null, else its opposite."""
    first, second = _conditions(a, b)

    def of(row: Row) -> bool | None:
        values = first(row), second(row)
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    return Scalar(_BOOLEAN, of)


def one_of_both(a: Scalar, b: Scalar) -> Scalar:
    """Either a or b."""
    _conditions(a, b)
    return applied(_BOOLEAN, lambda x, y: x is not y, a, b)


def negated(a: Scalar) -> Scalar:
    """Not a."""
    _conditions(a)
    return applied(_BOOLEAN, lambda x: not x, a)


def _conditions(*scalars: Scalar) -> list[Callable[[Row], Any]]:
    if any(item.dtype != pl.Boolean for item in scalars):
        raise Unsupported
    return [item.of for item in scalars]


def missing(yes: bool) -> Callable[[Scalar], Scalar]:
    """Whether a value is null or NaN, or is not."""

    def of_value(a: Scalar) -> Scalar:
        inner = without_nan(a).of
        return Scalar(_BOOLEAN, lambda row: (inner(row) is None) is yes)

    return of_value


def of_floats(function: Callable[[float], bool]) -> Callable[[Scalar], Scalar]:
    """What is asked of floats only: is_nan and others."""

    def asked(a: Scalar) -> Scalar:
        if not a.fractional:
            raise Unsupported
        return applied(_BOOLEAN, function, a)

    return asked


def when(condition: Scalar, then: Scalar, otherwise: Scalar) -> Scalar:
    """One of two values. The branch that is not chosen is not evaluated."""
    (chosen,) = _conditions(condition)
    branches = unified([then, otherwise])
    if_true, if_not = branches[0].of, branches[1].of
    return Scalar(type_of(branches), lambda row: if_true(row) if chosen(row) else if_not(row))


def coalesce(*parts: Scalar) -> Scalar:
    """The first value that is neither null nor NaN; those after it have no fault."""
    inputs = unified([without_nan(part) for part in parts])
    functions = [item.of for item in inputs]

    def of(row: Row) -> Any:
        for function in functions:
            value = function(row)
            if value is not None:
                return value
        return None

    return Scalar(type_of(inputs), of)


def extreme(choose: Callable[[Any], Any]) -> Callable[..., Scalar]:
    """The least or greatest number that is neither null nor NaN; two zeros of different signs are deferred."""

    def of_parts(*parts: Scalar) -> Scalar:
        inputs = unified([without_nan(part) for part in parts])
        if not all(item.fractional or item.dtype.is_integer() for item in inputs):
            raise Unsupported
        functions = [item.of for item in inputs]

        def of(row: Row) -> Any:
            values = [value for value in [function(row) for function in functions] if value is not None]
            if not values:
                return None
            chosen = choose(values)
            if chosen == 0.0:
                _of_one_sign(value for value in values if value == 0.0)
            return chosen

        return Scalar(type_of(inputs), of)

    return of_parts


def clip(value: Scalar, *bounds: Scalar, has_min: bool, has_max: bool) -> Scalar:
    """A number within bounds. A bound that is null, and NaN, are deferred."""
    inputs = unified([value, *(without_nan(bound) for bound in bounds)])
    if not all(item.fractional or item.dtype.is_integer() for item in inputs) or not bounds:
        raise Unsupported
    inner = inputs[0].of
    low = inputs[1].of if has_min else None
    high = inputs[-1].of if has_max else None

    def of(row: Row) -> Any:
        number = inner(row)
        lowest = low(row) if low is not None else -math.inf
        highest = high(row) if high is not None else math.inf
        if number is None:
            return None
        if number != number or lowest is None or highest is None or lowest > highest:
            raise Deferred
        if number == 0.0:
            _of_one_sign(part for part in (number, lowest, highest) if part == 0.0)
        return lowest if number < lowest else highest if number > highest else number

    return Scalar(type_of(inputs), of)


def _of_one_sign(zeros: Any) -> None:
    if len({math.copysign(1.0, zero) for zero in zeros}) > 1:
        raise Deferred
