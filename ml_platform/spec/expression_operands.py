"""Parts of expressions with their types, bounds and faults, and how they are brought to one type (S13)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import polars as pl

Bounds = tuple[int, int]
INT64: Bounds = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class Operand:
    """Part of an expression.

    value:  null wherever there is a fault.
    dtype:  its type; Unknown where nobody asks.
    fault:  true where the value does not fit its type; None: never. It may be null, which is not true.
    within: bounds of a whole number; None: those of its type.
    """

    value: pl.Expr
    dtype: pl.DataType
    fault: pl.Expr | None = None
    within: Bounds | None = None

    @property
    def whole(self) -> bool:
        """Whether it is a whole number of any width."""
        return self.dtype.is_integer()

    @property
    def fractional(self) -> bool:
        """Whether it is a floating-point number."""
        return self.dtype.is_float()

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.whole or self.fractional

    @property
    def counts(self) -> bool:
        """Whether it can stand for a whole number: a Boolean is 0 or 1."""
        return self.whole or self.dtype == pl.Boolean

    @property
    def bounds(self) -> Bounds:
        """The least and greatest whole number that it can be."""
        if self.within is not None:
            return self.within
        if self.dtype == pl.Boolean:
            return 0, 1
        bits = int(str(self.dtype).lstrip("UInt"))  # Int8 to UInt64, and Int128
        return (0, 2**bits - 1) if self.dtype.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    def after(self, *inputs: "Operand") -> "Operand":
        """The same, with the faults of what it was computed from."""
        return with_faults(self, [item.fault for item in inputs])


def with_faults(operand: Operand, faults: Sequence[pl.Expr | None]) -> Operand:
    """`operand` with further faults."""
    present = [fault for fault in (operand.fault, *faults) if fault is not None]
    return replace(operand, fault=reduce(lambda a, b: a | b, present) if present else None)


def read(name: str, dtype: pl.DataType) -> Operand:
    """A column. Decimals are the nearest doubles; levels are text."""
    column = pl.col(name)
    if isinstance(dtype, pl.Decimal):
        return Operand(column.cast(pl.Float64), pl.Float64())
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return Operand(column.cast(pl.String), pl.String())
    return Operand(column, dtype)


def constant(value: Any) -> Operand:
    """A literal number, text, Boolean or null."""
    if isinstance(value, bool) or not isinstance(value, int):
        expression = pl.lit(value)
        return Operand(expression, pl.select(expression).to_series().dtype)
    dtype = pl.Int64() if fits((value, value)) else pl.Int128()
    return Operand(pl.lit(value, dtype=dtype), dtype, within=(value, value))


def without_nan(operand: Operand) -> Operand:
    """NaN as null."""
    return replace(operand, value=operand.value.fill_nan(None)) if operand.fractional else operand


def fraction(operand: Operand) -> Operand:
    """As Float64."""
    if operand.dtype == pl.Float64:
        return operand
    whole = operand.value.cast(pl.Int64) if operand.dtype == pl.Boolean else operand.value
    return Operand(whole.cast(pl.Float64), pl.Float64(), operand.fault)


def narrowed(operand: Operand) -> Operand:
    """A whole number as Int64; one that does not fit is a fault."""
    value = operand.value.cast(pl.Int64, strict=False)
    if fits(operand.bounds):
        return Operand(value, pl.Int64(), operand.fault, operand.bounds)
    beyond = value.is_null() & operand.value.is_not_null()
    low, high = operand.bounds
    within = max(low, INT64[0]), min(high, INT64[1])
    return with_faults(Operand(value, pl.Int64(), operand.fault, within), [beyond])


def unified(operands: Sequence[Operand]) -> list[Operand]:
    """The operands in one type: whole numbers in one width, all numbers as Float64 where one is a fraction."""
    typed = [item for item in operands if item.dtype != pl.Null]
    if not any(item.numeric for item in typed) or not all(item.counts or item.fractional for item in typed):
        return list(operands)
    if any(item.fractional for item in typed):
        return [item if item.dtype == pl.Null else fraction(item) for item in operands]
    width = pl.Int64() if all(fits(item.bounds) for item in typed) else pl.Int128()
    return [item if item.dtype == pl.Null else in_type(width, item) for item in operands]


def merged(operands: Sequence[Operand], build: Callable[..., pl.Expr]) -> Operand:
    """One of the values of unified operands, as `build` chooses it; without their faults."""
    typed = [item for item in operands if item.dtype != pl.Null]
    value, dtype = build(*(item.value for item in operands)), type_after(operands, pl.coalesce)
    if not typed or not all(item.whole for item in typed):
        return Operand(value, dtype)
    lows, highs = zip(*(item.bounds for item in typed), strict=True)
    return narrowed(Operand(value, dtype, within=(min(lows), max(highs))))


def in_type(width: pl.DataType, operand: Operand) -> Operand:
    """A whole number or Boolean in a wider type."""
    value = operand.value if operand.dtype == width else operand.value.cast(width)
    return Operand(value, width, operand.fault, operand.bounds)


def type_after(operands: Sequence[Operand], build: Callable[..., pl.Expr]) -> pl.DataType:
    """The type that polars gives an operation on the operands. Raises PolarsError for what does not fit."""
    frame = pl.LazyFrame(schema={str(index): item.dtype for index, item in enumerate(operands)})
    return frame.select(build(*map(pl.col, frame.collect_schema())).alias("value")).collect_schema()["value"]


def fits(bounds: Bounds) -> bool:
    """Whether all whole numbers in the bounds are of Int64."""
    return INT64[0] <= bounds[0] and bounds[1] <= INT64[1]
