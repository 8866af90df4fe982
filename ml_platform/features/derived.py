"""Derived features: polars expressions, the same objects over many rows and over one."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.features.forms import DerivedForm
from ml_platform.spec.expressions import columns_read, from_portable

HOLDS = "_holds"
Layers = tuple[tuple[pl.Expr, ...], ...]


def layers(forms: Sequence[DerivedForm]) -> Layers:
    """The expressions in as few steps as their order allows: `with_columns` costs per call."""
    found: list[list[pl.Expr]] = []
    depth: dict[str, int] = {}
    for form in forms:
        level = max((depth[name] + 1 for name in columns_read(form.expression) if name in depth), default=0)
        depth[form.name] = level
        if level == len(found):
            found.append([])
        found[level].append(from_portable(form.expression).alias(form.name))
    return tuple(tuple(layer) for layer in found)


def condition(where: dict[str, Any]) -> Layers:
    """A Window's portable `where=`, as one step that makes the column HOLDS."""
    return ((from_portable(where).alias(HOLDS),),)


def derive(frame: pl.DataFrame, steps: Layers) -> pl.DataFrame:
    """`frame` with the derived columns appended.

    A single row gets a row of nulls beside it: polars divides a column by a literal as a product with its
    reciprocal, but one row by one literal as a division, and the last bits differ.
    """
    single = frame.height == 1
    wide = pl.concat([frame, frame.clear(1)], rechunk=True) if single else frame
    for expressions in steps:
        wide = wide.with_columns(expressions)
    return wide.head(1) if single else wide


class OneRow:
    """Derived features of one row at a time, from Python values to Python values."""

    def __init__(self, forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> None:
        self._steps = layers(forms)
        self._makes = [form.name for form in forms]
        reads = set[str]().union(*(columns_read(form.expression) for form in forms)) - set(self._makes)
        self._reads = {name: schema[name] for name in sorted(reads)}

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is derived from `row`, by name."""
        if not self._makes:
            return {}
        # The second row is that of `derive`; so it need not append one.
        frame = pl.DataFrame({name: [row[name], None] for name in self._reads}, schema=self._reads)
        made = derive(frame, self._steps).row(0, named=True)
        return {name: made[name] for name in self._makes}
