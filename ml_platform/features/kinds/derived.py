"""Derived features: polars expressions, the same objects over many rows and over one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.features.rowwise import DerivedColumn, Layers
from ml_platform.features.scalars.compiling import compiled
from ml_platform.features.scalars.values import Deferred, Function
from ml_platform.spec.durations import since_epoch
from ml_platform.spec.expressions import columns_read, to_portable

if TYPE_CHECKING:
    from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class DerivedForm:
    """A portable expression; `early` ones read inputs only and are computed before the joins."""

    name: str
    expression: dict[str, Any]
    early: bool


def derived_forms(pipeline: "ModelPipeline") -> tuple[DerivedForm, ...]:
    """The derived features of a pipeline, each after those it reads."""
    return tuple(
        DerivedForm(name, to_portable(expression, f"Derived({name}=…)"), name in pipeline.early_derived)
        for name, expression in pipeline.derived
    )


def layers(forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> Layers:
    """The expressions in as few steps as their order allows: `with_columns` costs per call.

    `schema` has the types of what they read and derive.
    """
    steps: list[list[DerivedColumn]] = []
    depth: dict[str, int] = {}
    for form in forms:
        level = max((depth[name] + 1 for name in columns_read(form.expression) if name in depth), default=0)
        depth[form.name] = level
        if level == len(steps):
            steps.append([])
        steps[level].append(DerivedColumn.of(form.name, form.expression, schema, f"Derived({form.name}=…)"))
    return tuple(tuple(layer) for layer in steps)


class OneRow:
    """Derived features of one row at a time, from Python values to Python values, with the bits of many rows.

    Plain functions compute what they can, and polars the others (`by_polars`), and any row that the functions defer.
    """

    def __init__(self, forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> None:
        self._names = [form.name for form in forms]
        self._all = _PolarsRow(forms, schema)
        self._functions: list[tuple[str, Function]] = []
        by_polars: list[DerivedForm] = []
        for form in forms:
            waits = not columns_read(form.expression).isdisjoint(other.name for other in by_polars)
            function = None if waits else compiled(form.expression, schema)
            if function is None:
                by_polars.append(form)
            else:
                self._functions.append((form.name, function))
        self.by_polars = tuple(form.name for form in by_polars)
        self._others = _PolarsRow(by_polars, schema) if by_polars else None

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is derived from `row`, by name. Raises FeatureError for a value that does not fit its type."""
        if not self._names:
            return {}
        values = dict(row)
        try:
            for name, function in self._functions:
                values[name] = function(values)
        except Deferred:
            return self._all.of(row)
        if self._others is not None:
            values |= self._others.of(values)
        return {name: values[name] for name in self._names}


class _PolarsRow:
    """Derived features of one row, computed by polars.

    Everything but the values is made once. Times come to polars as whole numbers, which is ten times as fast.
    """

    def __init__(self, forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> None:
        self._makes = [form.name for form in forms]
        self._steps = [
            (columns, [expression for column in columns for expression in column.expressions])
            for columns in layers(forms, schema)
        ]
        reads = set[str]().union(*(columns_read(form.expression) for form in forms)) - set(self._makes)
        self._times = {name for name in reads if isinstance(schema[name], pl.Datetime)}
        self._reads = [(name, pl.Int64() if name in self._times else schema[name]) for name in sorted(reads)]
        self._as_times = [_as_time(name, schema[name]) for name in sorted(self._times)]

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is derived from `row`, by name. Raises FeatureError for a value that does not fit its type."""
        values = {
            name: since_epoch(row[name]) if name in self._times and row[name] is not None else row[name]
            for name, _ in self._reads
        }
        # The second row is that of `derive`: polars computes one row with another kernel than many.
        frame = pl.DataFrame([pl.Series(name, [values[name], None], dtype=dtype) for name, dtype in self._reads])
        if not self._reads:
            frame = pl.DataFrame({"_row": [0, 1]})
        if self._as_times:
            frame = frame.with_columns_seq(self._as_times)
        for columns, expressions in self._steps:
            frame = frame.with_columns_seq(expressions)
            for column in columns:
                column.check(frame)
        derived = frame.row(0, named=True)
        return {name: derived[name] for name in self._makes}


def _as_time(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of microseconds since 1970 as the time that it stands for."""
    assert isinstance(dtype, pl.Datetime)  # the caller looked
    moment = pl.col(name).cast(pl.Datetime("us"))
    return moment.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else moment
