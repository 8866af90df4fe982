"""Frames on their way into the lake: big ones become Parquet files before the write lock is taken."""

import uuid
from functools import partial
from pathlib import Path

import polars as pl

from ml_platform.lake import durable
from ml_platform.lake.connection import Lake
from ml_platform.lake.staging import Rows, Staged, stage, stage_by
from ml_platform.lake.storable import to_arrow

_SMALL = 1_000_000  # bytes; what is smaller goes in with the transaction
_GROUP_ROWS = 122_880  # of a row group, as DuckDB writes them
_LONGEST = 256  # bytes of a text that the footer may repeat as the least or the greatest
_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_PLAIN = (pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"))


def staged(lake: Lake, frame: pl.DataFrame) -> Rows:
    """`frame`, or the staged file of its rows when it is big. A write must take it."""
    return frame if frame.estimated_size() < _SMALL else stage_frame(lake, frame)


def stage_frame(lake: Lake, frame: pl.DataFrame) -> Staged:
    """The staged file of the rows of `frame`. polars writes it where DuckDB would read the same from its file."""
    if all(_is_plain(column) for column in frame):
        return stage_by(lake, partial(_write, frame))
    name = f"staging_{uuid.uuid4().hex}"
    lake.connection.register(name, to_arrow(frame))
    try:
        return stage(lake, f"SELECT * FROM temp.main.{name}")
    finally:
        lake.connection.unregister(name)


def _is_plain(column: pl.Series) -> bool:
    """Whether polars and DuckDB write a column alike, up to their choice of encodings.

    Of numbers with NaN polars would note a least and a greatest value, between which NaN does not lie.
    """
    kind = column.dtype
    if kind == pl.String:
        return int(column.str.len_bytes().max() or 0) <= _LONGEST  # type: ignore[arg-type]  # a number
    if kind in (pl.Float32, pl.Float64):
        return not column.is_nan().any()
    return kind in _PLAIN or kind in _INTEGERS


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="snappy", row_group_size=_GROUP_ROWS)
    durable.sync_file(path)
