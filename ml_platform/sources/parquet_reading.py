"""Reading a Parquet file, whose footer says beforehand what it would take."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from polars.exceptions import PanicException

from ml_platform.disk_errors import is_of_the_machine
from ml_platform.errors import FileRefused, first_line
from ml_platform.settings import DEEPEST
from ml_platform.sources import chunks
from ml_platform.sources.broken_files import ContentBroken
from ml_platform.sources.guard import Guard

if TYPE_CHECKING:
    import pyarrow as pa

_VALUE = 8  # bytes of a value in memory


def read_parquet(plain: Path, guard: Guard) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file, in frames; at least one.

    Raises FileRefused for what cannot be read whole or is beyond a limit.
    """
    path = guard.path
    with plain.open("rb") as stream:
        start = stream.read(4)
        stream.seek(-min(4, plain.stat().st_size), 2)
        end = stream.read(4)
    if start != b"PAR1":
        raise ContentBroken(path, "not a Parquet file", position="byte 0")
    if end != b"PAR1":
        raise ContentBroken(path, "the Parquet file is truncated", position=f"byte {plain.stat().st_size:,}")
    check_footer(plain, guard)
    try:
        scan = pl.scan_parquet(plain, hive_partitioning=False, glob=False)
        rows = int(scan.select(pl.len()).collect().item())
        for first in range(0, max(1, rows), chunks.ROWS):
            frame = scan.slice(first, chunks.ROWS).collect()
            guard.check_time(f"row {first:,}" if first else "")
            yield frame
    except (pl.exceptions.PolarsError, PanicException, OSError, ValueError) as error:  # it panics at some pages
        if is_of_the_machine(error):
            raise
        raise ContentBroken(path, f"the Parquet file cannot be read: {first_line(error)}") from None


def check_footer(plain: Path, guard: Guard) -> None:
    """Refuse by its footer what is beyond a limit, and numbers of more than 38 digits, nested ones too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(plain)
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        if "deeply nested" in str(error):  # more than 100, the greatest limit
            guard.check_depth(DEEPEST + 1, "the schema")
        return  # it is damaged, as the reader says
    guard.check_width(metadata.num_columns, "the schema")
    guard.check_depth(max((_depth(field.type) for field in schema), default=0), "the schema")
    packed = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    cells = metadata.num_rows * metadata.num_columns  # a few bytes may stand for a million equal values
    guard.check_bytes(max(packed, cells * _VALUE), f"{metadata.num_rows:,} rows of {metadata.num_columns:,} columns")
    wide = [field.name for field in schema if _holds_wide_decimals(field.type)]
    if wide:
        raise FileRefused(
            guard.path,
            "numbers of more than 38 digits cannot be stored",
            position=", ".join(map(repr, wide[:5])),
            remedy="Write these columns as text, or with at most 38 digits.",
        )


def _depth(kind: "pa.DataType") -> int:
    import pyarrow as pa

    if not pa.types.is_nested(kind):
        return 0
    return 1 + max((_depth(kind.field(i).type) for i in range(kind.num_fields)), default=0)


def _holds_wide_decimals(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return any(_holds_wide_decimals(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_decimal256(kind) and kind.precision > 38)
