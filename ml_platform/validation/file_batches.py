"""Many files at once: their raw rows in one question, and their columns converted in one call each.

A small file costs as much as the calls that it takes, whatever its rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ml_platform import interrupts
from ml_platform.lake.connection import Lake
from ml_platform.sources.faults import RAISED
from ml_platform.sources.raw_columns import read_raw_files
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion
from ml_platform.state.withdrawals import NO_CONTENT
from ml_platform.validation.casting import Cast, cast

_FILES, _ROWS = 128, 200_000  # of a batch, which is one transaction


@dataclass(frozen=True)
class Converted:
    """The rows of one file with its texts for null as null, and its columns in the contract's types."""

    rows: pl.DataFrame
    cast: Cast


def batches(versions: list[FileVersion]) -> Iterator[list[FileVersion]]:
    """Versions whose rows are read together: a question of the lake costs as much as screening a small file."""
    batch: list[FileVersion] = []
    rows = 0
    for version in versions:
        if batch and (len(batch) >= _FILES or rows + version.rows > _ROWS):
            yield batch
            batch, rows = [], 0
        batch.append(version)
        rows += version.rows
    if batch:
        yield batch


def raw_rows(lake: Lake, table: Table, batch: list[FileVersion]) -> dict[str, pl.DataFrame]:
    """The raw rows by file id; withdrawn files are not among them."""
    frames: dict[str, pl.DataFrame] = {}
    by_columns: dict[str, list[str]] = {}
    for version in batch:
        if version.sha256 != NO_CONTENT:
            by_columns.setdefault(version.columns, []).append(version.file_id)
    for columns, file_ids in by_columns.items():
        frames |= read_raw_files(lake, table.name, file_ids, columns)
    return frames


def converted_rows(table: Table, batch: list[FileVersion], raw: Mapping[str, pl.DataFrame]) -> dict[str, Converted]:
    """The rows of the files converted together; none where one of them stands in the way, which its own turn names."""
    whole = {v.file_id: raw[v.file_id] for v in batch if v.file_id in raw and raw[v.file_id].height == v.rows}
    try:
        return _together(table, whole)
    except RAISED:
        interrupts.stop_if_arrived()
        return {}


def _together(table: Table, files: Mapping[str, pl.DataFrame]) -> dict[str, Converted]:
    """The rows of many files converted at once, by file id: small files cost as much as the calls for each of them.

    Files that are not among the result are converted one by one: those of a table with `clean`, which sees a file by
    itself, and those without a column that is needed.
    """
    alike: dict[tuple[tuple[str, pl.DataType], ...], list[str]] = {}
    for file_id, rows in files.items():
        if rows.height:
            alike.setdefault(tuple(rows.schema.items()), []).append(file_id)
    needed = {*table.columns, *table.source.named_columns}
    converted: dict[str, Converted] = {}
    for schema, file_ids in alike.items():
        kinds = dict(schema)
        categories = any(isinstance(kind, pl.Categorical | pl.Enum) for kind in kinds.values())
        if table.clean is not None or len(file_ids) < 2 or categories or not needed <= kinds.keys():
            continue
        rows = table.source.with_nulls(pl.concat([files[file_id] for file_id in file_ids]))
        whole, begin = Cast(*cast(rows, table.columns, table.time_zone, table.key)), 0
        for file_id in file_ids:
            length = files[file_id].height
            converted[file_id] = Converted(rows.slice(begin, length), whole.slice(begin, length))
            begin += length
    return converted
