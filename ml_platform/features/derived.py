"""Derived features: polars expressions, the same objects over many rows and over one."""

from collections.abc import Sequence

import polars as pl

from ml_platform.features.forms import DerivedForm
from ml_platform.spec.expressions import columns_read, from_portable

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


def derive(frame: pl.DataFrame, steps: Layers) -> pl.DataFrame:
    """`frame` with the derived columns appended.

    A single row is computed as two: polars divides a column by a literal as a product with its
    reciprocal, but one row by one literal as a division, and the last bits differ.
    """
    single = frame.height == 1
    wide = pl.concat([frame, frame]) if single else frame
    for expressions in steps:
        wide = wide.with_columns(expressions)
    return wide.head(1) if single else wide
