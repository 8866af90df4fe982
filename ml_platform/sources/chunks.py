"""Rows in bounded frames, so that a file may be larger than memory."""

from collections.abc import Iterable, Iterator

import polars as pl

ROWS = 500_000  # of a frame at most
_BYTES = 256_000_000  # of a frame, after which it takes no more rows


def bounded(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The rows of frames with one schema, in frames of ROWS rows, or fewer where the rows are large.

    >>> [frame.height for frame in bounded([pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [3]})])]
    [3]
    """
    parts: list[pl.DataFrame] = []
    rows = size = 0
    for frame in frames:
        parts.append(frame)
        rows, size = rows + frame.height, size + int(frame.estimated_size())
        if rows < ROWS and size < _BYTES:
            continue
        whole = pl.concat(parts) if len(parts) > 1 else parts[0]
        end = whole.height if size >= _BYTES else whole.height - whole.height % ROWS
        yield from (whole.slice(start, min(ROWS, end - start)) for start in range(0, end, ROWS))
        parts = [whole.slice(end)] if end < whole.height else []
        rows, size = sum(part.height for part in parts), 0
    if parts:
        yield pl.concat(parts)
