"""Values that a lake does not give back as they were: a file that holds one is refused, since others stand with it."""

import polars as pl

from ml_platform.errors import FileRefused
from ml_platform.lake.filled_in import column_filled_in, leaves

_FIRST_DAY = -(2**31) + 2  # since 1970-01-01


def check_values(frame: pl.DataFrame, path: str) -> None:
    """Refuse values that DuckLake would change, or give back to nobody: the rows of the others are beside them."""
    for named in frame:
        for leaf in leaves(named.alias("column")):
            if leaf.dtype == pl.Date and int(leaf.to_physical().min() or 0) < _FIRST_DAY:  # type: ignore[arg-type]  # a number
                raise FileRefused(
                    path,
                    "a date is before 5877642-06-25 (BC), the first that DuckDB has",
                    position=repr(named.name),
                    remedy="Write this column as text.",
                )
    column = column_filled_in(frame)
    if column is not None:
        raise FileRefused(
            path,
            "a text or name holds a word such as {SNAPSHOT_ID}, which DuckLake fills in with a value of its own",
            position=repr(column),
            remedy="Write the word without its braces.",
        )
