"""Polars expressions over the rows of a frame, with the same bits for one row as for many (S13)."""

import polars as pl

Layers = tuple[tuple[pl.Expr, ...], ...]


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
