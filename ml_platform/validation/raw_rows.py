"""The raw rows of file versions, many at a time: a question of the lake costs as much as screening a small file."""

from collections.abc import Iterator

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.raw_columns import read_raw_files
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion
from ml_platform.state.withdrawals import NO_CONTENT

_FILES, _ROWS = 128, 200_000  # of a batch, which is one transaction


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


def raw_rows(lake: Lake, table: Table, batch: list[FileVersion]) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """The raw rows by file id, without withdrawn files; and why not, where values of a file cannot be read back."""
    frames: dict[str, pl.DataFrame] = {}
    unread: dict[str, str] = {}
    by_columns: dict[str, list[FileVersion]] = {}
    for version in batch:
        if version.sha256 != NO_CONTENT:
            by_columns.setdefault(version.columns, []).append(version)
    waiting = list(by_columns.items())
    while waiting:
        columns, versions = waiting.pop(0)
        try:
            frames |= read_raw_files(lake, table.name, [version.file_id for version in versions], columns)
        except RAISED as fault:
            refused = refusal(versions[0].path, fault, "its rows were read from the lake")
            if len(versions) > 1:  # it may be any of them
                waiting += [(columns, [version]) for version in versions]
            else:
                unread[versions[0].file_id] = str(refused)
    return frames, unread
