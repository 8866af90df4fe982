"""Frames on their way into the lake: big ones become Parquet files before the write lock is taken."""

import uuid

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.staging import Rows, Staged, stage
from ml_platform.lake.storable import to_arrow

_SMALL = 1_000_000  # bytes; what is smaller goes in with the transaction


def staged(lake: Lake, frame: pl.DataFrame) -> Rows:
    """`frame`, or the staged file of its rows when it is big. A write must take it."""
    return frame if frame.estimated_size() < _SMALL else stage_frame(lake, frame)


def stage_frame(lake: Lake, frame: pl.DataFrame) -> Staged:
    """The staged file of the rows of `frame`."""
    name = f"staging_{uuid.uuid4().hex}"
    lake.connection.register(name, to_arrow(frame))
    try:
        return stage(lake, f"SELECT * FROM temp.main.{name}")
    finally:
        lake.connection.unregister(name)
