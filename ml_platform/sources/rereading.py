"""Raw rows that the lake lost are read again from the content that the source still has, as the versions on record.

Path, number and arrival stay as they were recorded, so nothing that was made of the rows changes.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import polars as pl

from ml_platform.errors import FileRefused, SourceUnavailable
from ml_platform.lake import data_files
from ml_platform.lake.frames import staged
from ml_platform.lake.storable import storable
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.sources.raw_columns import FILE, Placed, as_stored, types_in_duckdb
from ml_platform.sources.rewritten import recorded_source
from ml_platform.sources.row_intake import RowIntake
from ml_platform.sources.scan import read_key
from ml_platform.sources.source import Available, Source
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state.erasures import rewritten_files
from ml_platform.state.files import FileVersion
from ml_platform.state.stores import Stores
from ml_platform.state.withdrawals import NO_CONTENT

_BATCH_BYTES = 256_000_000


@dataclass(frozen=True)
class Lost:
    """The versions whose rows the raw table lacks: with the content that the source still has, or without."""

    readable: list[tuple[FileVersion, Available]]
    gone: list[FileVersion]


def lost(stores: Stores, table: Table) -> Lost | None:
    """What the raw table lacks; None while no lost data file of it is set aside. Reads only."""
    if data_files.whole(stores.lake, "raw", table.name) or _is_damaged(stores, table):
        return None
    lacking = list(_lacking(stores, table))
    if not lacking:
        return Lost([], [])
    return _sought(recorded_source(stores.state, table), stores, table, lacking)


def can_reread(stores: Stores, table: Table) -> bool:
    """Whether an ingest would read lost rows again, or note that none are lost any more."""
    if data_files.whole(stores.lake, "raw", table.name):
        return False
    if _is_damaged(stores, table):
        return True  # who opens the lake for writing sets it aside
    what = lost(stores, table)
    return what is not None and (bool(what.readable) or not what.gone)


def reread(stores: Stores, table: Table, run_id: str, *, on_file: Callable[[str], None] | None = None) -> list[str]:
    """Read lost rows again; the paths of the versions whose rows are there again. The table's lock is held.

    Content that is read otherwise today than on record is left out.
    """
    if data_files.whole(stores.lake, "raw", table.name):
        return []
    data_files.set_aside_damaged(stores.lake)  # what was lost since the lake was opened
    source = recorded_source(stores.state, table)
    batch: list[tuple[FileVersion, RowIntake]] = []
    reread_paths: list[str] = []
    for version, available in _sought(source, stores, table, list(_lacking(stores, table))).readable:
        if on_file is not None:
            on_file(version.path)
        rows = _read_again(stores, table, source, version, available)
        if rows is None:
            continue
        batch.append((version, rows))
        reread_paths.append(version.path)
        if rows.is_large or sum(one.bytes for one, _ in batch) > _BATCH_BYTES:
            _store(stores, table, run_id, batch)
            batch = []
    if batch:
        _store(stores, table, run_id, batch)
    if not any(_lacking(stores, table)):
        with write(stores.lake, Author(f"raw/{table.name}", WHOLE, run_id=run_id)):
            data_files.made_again(stores.lake, "raw", table.name, None)
    return reread_paths


def _is_damaged(stores: Stores, table: Table) -> bool:
    """Whether a data file is missing or cut short and still current, so that the table cannot be read."""
    return data_files.TablePartition("raw", table.name, None) in {
        file.location for file in data_files.damaged(stores.lake)
    }


def _lacking(stores: Stores, table: Table) -> Iterator[FileVersion]:
    """The versions with fewer rows in the lake than on record."""
    name = quoted(table.name)
    there = bool(stores.lake.columns("raw", table.name))
    rows = dict(stores.lake.rows(f"SELECT {FILE}, count(*) FROM raw.{name} GROUP BY ALL")) if there else {}
    for version in file_records.versions(stores.state, table.name):
        if version.status != "refused" and version.sha256 != NO_CONTENT and rows.get(version.file_id, 0) < version.rows:
            yield version


def _sought(source: Source, stores: Stores, table: Table, lacking: list[FileVersion]) -> Lost:
    """For each version a place of the source with its content: the same path where it can be, else another."""
    wanted = [version for version in lacking if version.read_key == read_key(table)]
    by_size: dict[int, list[FileVersion]] = {}
    for version in wanted:
        by_size.setdefault(version.bytes, []).append(version)
    readable: dict[str, tuple[FileVersion, Available]] = {}
    recorded = file_records.by_path(file_records.versions(stores.state, table.name))
    with suppress(SourceUnavailable):  # what it did not name counts as gone until it can be asked again
        for available in source.discover(recorded):
            if not available.readable:
                continue
            for version in wanted:
                if version.path == available.path and (version.bytes, version.mtime_ns) == available.stamp:
                    readable[version.file_id] = (version, available)
            alike = [version for version in by_size.get(available.stamp.size, []) if version.file_id not in readable]
            digest = _fingerprint(available) if alike else None
            readable |= {version.file_id: (version, available) for version in alike if version.sha256 == digest}
    return Lost(list(readable.values()), [version for version in lacking if version.file_id not in readable])


def _fingerprint(available: Available) -> str | None:
    try:
        return available.fingerprint()
    except (OSError, SourceUnavailable):
        return None  # it went away since it was discovered, or cannot be read now


def _read_again(
    stores: Stores, table: Table, source: Source, version: FileVersion, available: Available
) -> RowIntake | None:
    """The version's rows as they are stored; None where the content differs by now, or is read otherwise."""
    placed: Placed = json.loads(version.columns)
    removed = rewritten_files(stores.state, table.name).removed.get(version.sha256, ())

    def stored(read: pl.DataFrame, first: int, _: str) -> pl.DataFrame:
        frame = storable(read)
        types = types_in_duckdb(stores.lake, frame)
        same_types = all(types.get(name) == kind for name, (home, kind) in placed.items() if home is not None)
        if not same_types or set(placed) != set(types):
            raise FileRefused(version.path, "its columns are read otherwise than before")
        return as_stored(frame, placed, version.file_id, first, removed)

    rows = RowIntake(stores.lake, stored)
    same = False
    try:
        reading = source.read(available, rows)
        same = (
            reading is not None
            and reading.error is None
            and reading.fingerprint == version.sha256
            and rows.height == version.rows
        )
    except (FileRefused, SourceUnavailable, FileNotFoundError):
        return None
    finally:
        if not same:
            rows.discard()
    return rows if same else None


def _store(stores: Stores, table: Table, run_id: str, batch: list[tuple[FileVersion, RowIntake]]) -> None:
    """Put the rows of these versions into the lake, in place of what is left of them."""
    parts = [part for _, rows in batch for part in rows.rows]
    waiting = [staged(stores.lake, part) if isinstance(part, pl.DataFrame) else part for part in parts]
    author = Author(f"raw/{table.name}", WHOLE, run_id=run_id)
    with write(stores.lake, author, {"read again": [version.path for version, _ in batch]}) as tx:
        if stores.lake.columns("raw", table.name):
            ids = [version.file_id for version, _ in batch]
            listed = ", ".join("?" * len(ids))
            tx.execute(f"DELETE FROM raw.{quoted(table.name)} WHERE {FILE} IN ({listed})", ids)
        for rows in waiting:
            tx.append("raw", table.name, rows, evolve=True)
