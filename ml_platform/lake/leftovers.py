"""What nothing refers to any more, and what of it this lake has made: only that may be removed.

A table's file is known by DuckLake's name and the time in it, a blob by a name that is a hash, a temporary file by a
name of 32 digits. Whatever else lies in the folders belongs to somebody. So does what is older than this catalog's work
here (`lifetime`): an earlier or a later catalog, once it is put back, may name it.
"""

import math
import os
import re
import shutil
import time
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_platform.lake import blobs, catalog_files, lifetime
from ml_platform.lake.connection import Lake

_TABLE_FILE = re.compile(r"ducklake-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-delete)?\.parquet")
_TEMPORARY = re.compile(r"(?:spill-|report-)?[0-9a-f]{32}(?:\.parquet)?")


def new_file_name() -> str:
    """A name for a table's file as DuckLake gives them: a UUID of version 7, which begins with the time.

    >>> bool(_TABLE_FILE.fullmatch(new_file_name()))
    True
    """
    milliseconds, random = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big")
    number = (milliseconds << 80) | random
    number = number & ~(0xF000 << 64) & ~(0xC000 << 48) | (7 << 76) | (2 << 62)
    return f"ducklake-{uuid.UUID(int=number)}.parquet"


def named(lake: Lake) -> set[Path]:
    """Every file of tables that the catalog names: of all its snapshots, and those that it will remove."""
    paths = [*(file.path for file in catalog_files.files_of(lake)), *catalog_files.scheduled(lake)]
    return {lake.tables / path for path in paths}


def remove_orphans(lake: Lake, grace: timedelta) -> int:
    """Remove files of tables that this catalog's work here left and no snapshot names. Under the write lock."""
    since, in_use = _since(lake), named(lake)
    orphans = (
        path
        for path in lake.tables.rglob("*")
        if (name := _TABLE_FILE.fullmatch(path.name)) and path not in in_use and _made_at(path, name[1]) >= since
    )
    return remove_older(orphans, grace)


def remove_temporary(folder: Path, grace: timedelta) -> int:
    """Remove temporary files and folders that killed processes left in a folder of ours."""
    return remove_older((path for path in folder.glob("*") if _TEMPORARY.fullmatch(path.name)), grace)


def remove_blobs(lake: Lake, folder: Path, in_use: Collection[str], grace: timedelta) -> int:
    """Remove blobs that this catalog's work here left and nothing refers to."""
    since, referenced = _since(lake).timestamp(), frozenset(in_use)
    unreferenced = (
        path for path in blobs.stored(folder) if path.name not in referenced and path.stat().st_mtime >= since
    )
    return remove_older(unreferenced, grace)


def _since(lake: Lake) -> datetime:
    noted = lifetime.read(lake.folder)
    return noted.since if noted is not None and noted.lake == lake.identity else datetime.now(UTC)


def _made_at(path: Path, number: str) -> datetime:
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    given = uuid.UUID(number)
    # The copy of a file has a new time of modification; the time in its name stays.
    return written if given.version != 7 else min(written, _from_milliseconds(given.int >> 80))


def _from_milliseconds(number: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number + 1)


def remove_older(paths: Iterable[Path], grace: timedelta) -> int:
    """Remove the files and folders that nobody has changed for so long; how many."""
    limit = time.time() - grace.total_seconds()
    removed = 0
    for path in sorted(paths):
        if _changed(path) <= limit:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed += 1
    return removed


def _changed(path: Path) -> float:
    """When a file, or anything in a folder, changed last; infinity for what is gone meanwhile."""
    try:
        if path.is_dir():
            return max([path.stat().st_mtime, *(inside.stat().st_mtime for inside in path.rglob("*"))])
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf
