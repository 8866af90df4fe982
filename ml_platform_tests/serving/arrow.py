"""Frames as Arrow IPC streams."""

import io

import polars as pl

ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def stream(frame: pl.DataFrame, *, views: bool = True) -> bytes:
    """The frame as a stream; `views` says how its texts stand there: pyarrow writes none."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.newest() if views else pl.CompatLevel.oldest())
    return buffer.getvalue()
