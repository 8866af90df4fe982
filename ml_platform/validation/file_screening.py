"""Screening of file versions: their raw rows out of the lake, and what became of them as a Parquet blob."""

import json
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import polars as pl

from ml_platform.errors import IngestionError
from ml_platform.lake.disk_faults import explained
from ml_platform.sources import chunks
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.raw_columns import read_raw, read_raw_between
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion
from ml_platform.state.screenings import ScreeningRecord
from ml_platform.state.stores import Stores
from ml_platform.validation.chunked_screening import (
    RawRows,
    ScreenedParts,
    can_be_split,
    screen_in_parts,
    write_together,
)
from ml_platform.validation.file_batches import Converted, converted_rows, raw_rows
from ml_platform.validation.judging import PARTITION, RULE_HOLDS
from ml_platform.validation.screening import Screened, rows_to_judge, screen, screen_withdrawn

ColumnsBefore = Callable[[FileVersion], Collection[str]]


def screen_batch(
    stores: Stores,
    table: Table,
    batch: list[FileVersion],
    partitions: Partitions | None,
    key: str,
    needs: Mapping[str, pl.DataFrame],
    before: ColumnsBefore,
) -> list[ScreeningRecord]:
    """The records of a few small files, which are held together, or of one large one, under a screening key.

    Raises IngestionError where the lake lacks rows of a file.
    """
    large = {version.file_id for version in batch if version.rows > chunks.ROWS} if can_be_split(table) else set()
    small = [version for version in batch if version.file_id not in large]
    raw = raw_rows(stores.lake, table, small)
    converted = converted_rows(table, small, raw)
    records = []
    for version in batch:
        file_id = version.file_id
        if file_id in large:
            screened = partial(_in_parts, stores, table, version, partitions, needs, before)
        else:
            rows = raw.pop(file_id, None), converted.pop(file_id, None)
            screened = partial(_whole, table, version, *rows, partitions, needs, before)
        records.append(_recorded(stores, table, version, key, screened))
    return records


Counts = dict[str, list[int]]  # by partition: valid, refused, identical, dropped rows


def _recorded(
    stores: Stores, table: Table, version: FileVersion, key: str, screened: Callable[[Path], Counts]
) -> ScreeningRecord:
    with stores.blobs.writing() as folder:
        folder.mkdir()
        try:
            counts = screened(folder)
        except RAISED as fault:  # whatever it is, it is about this file; the others go on
            error = str(refusal(version.path, fault, "its rows were checked against the contract"))
            return ScreeningRecord(table.name, version.file_id, key, "", 0, 0, 0, 0, "{}", error)
        digest = stores.blobs.put_file(folder / _BLOB)
    valid, refused, duplicates, dropped = (sum(c[i] for c in counts.values()) for i in range(4))
    partitioned = json.dumps(counts, sort_keys=True)
    return ScreeningRecord(
        table.name, version.file_id, key, digest, valid, refused, duplicates, dropped, partitioned, None
    )


_BLOB = "blob"


def _check_height(table: Table, version: FileVersion, rows: int) -> None:
    # Otherwise a data file of the lake was lost; to go on would lose the rows silently.
    if rows != version.rows:
        raise IngestionError(
            f"{version.path}: raw.{table.name} holds {rows:,} of its {version.rows:,} rows.",
            remedy=f"Land a file with the same content again (SHA-256 {version.sha256}): the next run reads it.",
        )


def _whole(
    table: Table,
    version: FileVersion,
    raw: pl.DataFrame | None,
    converted: Converted | None,
    partitions: Partitions | None,
    needs: Mapping[str, pl.DataFrame],
    before: ColumnsBefore,
    folder: Path,
) -> Counts:
    """Screen a file that is held in memory. `raw`: None of a withdrawn one."""
    if raw is None:
        result = screen_withdrawn(table, partitions)
    else:
        _check_height(table, version, raw.height)
        result = screen(table, raw, version.path, needs, partitions, partial(before, version), converted)
    with explained(folder):
        result.frame.write_parquet(folder / _BLOB, row_group_size=100_000)
    return counts_of(result)


def counts_of(result: Screened) -> Counts:
    """The rows of a screened file by partition."""
    counts = {
        str(name): [valid, refused, 0, 0]
        for name, valid, refused in result.frame.group_by(PARTITION)
        .agg(RULE_HOLDS.sum().alias("valid"), (~RULE_HOLDS).sum().alias("refused"))
        .iter_rows()
    }
    return _completed(counts, result.duplicates, result.dropped)


def counts_of_parts(parts: ScreenedParts) -> Counts:
    """The same of a file that was screened in parts."""
    counts = {name: [parts.valid[name], parts.refused[name], 0, 0] for name in parts.valid | parts.refused}
    return _completed(counts, parts.duplicates, parts.dropped)


def _completed(counts: Counts, duplicates: Mapping[str, int], dropped: int) -> Counts:
    for name, count in duplicates.items():
        counts.setdefault(name, [0, 0, 0, 0])[2] = count
    if dropped:
        counts.setdefault(min(counts, default=""), [0, 0, 0, 0])[3] = dropped
    return counts


def _in_parts(
    stores: Stores,
    table: Table,
    version: FileVersion,
    partitions: Partitions | None,
    needs: Mapping[str, pl.DataFrame],
    before: ColumnsBefore,
    folder: Path,
) -> Counts:
    """Screen a file that is larger than a frame. Its blob holds the same rows, not in the order of partitions."""
    lake, file_id, columns = stores.lake, version.file_id, version.columns
    seen = 0

    def between(first: int, end: int) -> pl.DataFrame:
        nonlocal seen
        rows = read_raw_between(lake, table.name, file_id, columns, first, end)
        seen += rows.height
        return rows

    def cleaned(rows: pl.DataFrame) -> pl.DataFrame:
        return rows_to_judge(table, rows, version.path, needs, partial(before, version))

    raw = RawRows(version.rows, between, lambda rows: read_raw(lake, table.name, file_id, columns, rows))
    with explained(folder):
        parts = screen_in_parts(table, raw, cleaned, partitions, folder)
        _check_height(table, version, seen)
        write_together(table, parts, folder / _BLOB)
    return counts_of_parts(parts)
