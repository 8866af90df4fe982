"""Rows as lists of whole numbers and texts, which JSON keeps to the bit; and what tells one row from another."""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.online.rows import Values, kind_of

EncodedRow = tuple[int | str | None, ...]
_AS_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encoded(frame: pl.DataFrame) -> list[EncodedRow]:
    """The rows of a frame of contract types: numbers as the 64 bits that hold them, texts as they are."""
    if not frame.width:
        return [()] * frame.height
    return list(zip(*(_encoded_column(column) for column in frame), strict=True))


def decoded(rows: Sequence[Sequence[Any]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The frame that `encoded` was given; `schema` has its columns in order.

    >>> schema = {"x": pl.Float64(), "y": pl.String()}
    >>> frame = pl.DataFrame({"x": [0.1, None], "y": ["a", None]}, schema=schema)
    >>> decoded(encoded(frame), schema).equals(frame)
    True
    """
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pl.DataFrame(
        [_decoded_column(name, list(column), schema[name]) for name, column in zip(schema, columns, strict=True)]
    )


def as_text(rows: Sequence[Any]) -> str:
    """Encoded rows, or one of them, as JSON."""
    return _AS_TEXT(rows)


def digests(frame: pl.DataFrame, partitions: Iterable[str]) -> list[bytes]:
    """What tells a row of its partition from others by the columns of `frame`; equal where polars counts them as equal.

    Zeros of both signs are equal, and so are all NaN.
    """
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    alike = frame
    if floats:
        alike = frame.with_columns((pl.col(name) + 0.0).fill_nan(float("nan")).alias(name) for name in floats)
    return [
        blake2b(_AS_TEXT([partition, row]).encode(), digest_size=16).digest()
        for partition, row in zip(partitions, encoded(alike), strict=True)
    ]


def _encoded_column(column: pl.Series) -> list[int | str | None]:
    values = Values.of(column)
    items: list[Any]
    if values.kind == "text":
        items = [text.decode() for text in values.data]
    else:
        items = np.ascontiguousarray(values.data).view(np.int64).tolist()
    if values.present is None:
        return items
    return [item if present else None for item, present in zip(items, values.present.tolist(), strict=True)]


def _decoded_column(name: str, items: list[Any], dtype: pl.DataType) -> pl.Series:
    kind = kind_of(dtype)
    if kind == "text":
        return pl.Series(name, items, dtype=pl.String).cast(dtype)
    whole = pl.Series(name, items, dtype=pl.Int64)
    if kind == "whole":
        if dtype == pl.Date:
            whole = whole.cast(pl.Int32)
        return whole.cast(dtype)
    viewed = np.float64 if kind == "fraction" else np.uint64
    if not whole.null_count():
        return pl.Series(name, whole.to_numpy().view(viewed)).cast(dtype)
    bits = whole.fill_null(0).to_numpy().view(viewed)
    values = pl.Series(name, bits).to_frame().select(pl.when(pl.lit(whole.is_not_null())).then(pl.col(name)))
    return values.to_series().alias(name).cast(dtype)
