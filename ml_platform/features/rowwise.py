"""Polars expressions over the rows of a frame, with the same bits for one row as for many (S13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.naming import counted
from ml_platform.spec.expression_rules import computed
from ml_platform.spec.expressions import columns_read

_FAULT = "_fault of "


@dataclass(frozen=True)
class DerivedColumn:
    """A portable expression, built for the types of the columns that it reads.

    title: what an error names.
    fault: true where the value does not fit its type; None: never.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    value: pl.Expr
    fault: pl.Expr | None

    @classmethod
    def of(cls, name: str, node: Mapping[str, Any], columns: Mapping[str, pl.DataType], title: str) -> Self:
        """The column `name`, computed by `node` from `columns`."""
        operand = computed(node, columns)
        return cls(name, title, tuple(sorted(columns_read(dict(node)))), operand.value, operand.fault)

    @property
    def fault_name(self) -> str:
        """The column that says which values do not fit."""
        return _FAULT + self.name

    def check(self, frame: pl.DataFrame) -> None:
        """Raise FeatureError, with the first row, where the column of faults says that a value does not fit."""
        if self.fault is not None:
            _check(self, frame)

    @property
    def expressions(self) -> tuple[pl.Expr, ...]:
        """The value and, where there can be one, the fault."""
        value = self.value.alias(self.name)
        return (value,) if self.fault is None else (value, self.fault.alias(self.fault_name))


Layers = tuple[tuple[DerivedColumn, ...], ...]


def derive(frame: pl.DataFrame, steps: Layers) -> pl.DataFrame:
    """`frame` with the derived columns appended.

    A single row gets a row of nulls beside it: polars computes one row by one literal with another kernel than many,
    and the last bits differ. What does not fit a type there is no fault. Raises FeatureError, with the row, for a value
    that does not fit its type.
    """
    single = frame.height == 1
    wide = pl.concat([frame, _nulls(frame)], rechunk=True) if single else frame
    for columns in steps:
        wide = wide.with_columns(expression for column in columns for expression in column.expressions)
        fallible = [column for column in columns if column.fault is not None]
        for column in fallible:
            _check(column, wide.head(1) if single else wide)
        wide = wide.drop(column.fault_name for column in fallible)
    return wide.head(1) if single else wide


def _nulls(frame: pl.DataFrame) -> pl.DataFrame:
    """A row of nulls: what `clear(1)` gives, which takes 100 µs a column."""
    return pl.DataFrame([pl.Series(name, [None], pl.Null()).cast(dtype) for name, dtype in frame.schema.items()])


def _check(column: DerivedColumn, frame: pl.DataFrame) -> None:
    faulty = frame[column.fault_name].arg_true()
    if not len(faulty):
        return
    row = frame.select(column.reads).row(int(faulty[0]), named=True) if column.reads else {}
    values = ", ".join(f"{name} = {value!r}" for name, value in row.items()) or "constants"
    misfits = counted(len(faulty), "value does not fit its", "values do not fit their")
    raise FeatureError(
        f"{column.title}: {misfits} type; the first is of {values}.",
        remedy="Whole numbers have 64 bits. Bound the columns in the contract, or cast them to Float64 first.",
    )
