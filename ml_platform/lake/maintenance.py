"""Maintenance: merge small files and remove what nothing refers to. It never changes a row of the current tables."""

import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_platform.errors import LakeError
from ml_platform.lake import data_files, file_hashes, snapshots
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import CATALOG, Lake

GRACE = timedelta(days=1)  # longer than any run: what is younger may belong to one


@dataclass(frozen=True)
class MaintenanceReport:
    """The result of one round of maintenance: counts of files, snapshots and blobs, and bytes freed."""

    files_merged: int
    files_written: int
    snapshots_expired: int
    files_removed: int
    orphans_removed: int
    leftovers_removed: int
    blobs_removed: int
    bytes_freed: int
    seconds: float


def maintain(
    lake: Lake, *, keep_days: float = 30, referenced: Collection[str] | None = None, grace: timedelta = GRACE
) -> MaintenanceReport:
    """Merge small files, expire old snapshots, remove what nothing refers to.

    `keep_days`: snapshots younger than that stay readable with `AT (VERSION => …)`; so does
    the newest, always. `referenced`: the digests of all blobs that are in use; None leaves the blobs alone.
    `grace`: files, blobs and leftovers younger than that stay, for the runs and readers that still hold
    them. The write lock is held throughout.
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    started = time.monotonic()
    before = _size(lake.tables) + _size(lake.settings.artifacts)
    # What is merged gets new hashes: before, nothing may be in it that was never committed.
    if lost := file_hashes.changed(lake):
        data_files.set_aside(lake, lost)
    with lake.locked("maintenance"):
        # Few rows of the platform's own tables live in the catalog until they are flushed to files.
        _call(lake, "ducklake_flush_inlined_data")
        _call(lake, "ducklake_rewrite_data_files")
        merged = _call(lake, "ducklake_merge_adjacent_files")
        expired = _expire(lake, keep_days)
        moment = f"older_than => TIMESTAMPTZ '{(datetime.now(UTC) - grace).isoformat()}'"
        removed = _call(lake, "ducklake_cleanup_old_files", moment)
        orphans = _call(lake, "ducklake_delete_orphaned_files", moment)
        leftovers = _remove(_older(lake.folder / "staging", "*", grace))
        file_hashes.forget_removed(lake)
    file_hashes.tend(lake)
    blobs = Blobs(lake.settings)
    leftovers += _remove(_older(blobs.folder / "incoming", "*", grace))
    unreferenced = 0
    if referenced is not None:
        in_use = frozenset(referenced)
        unreferenced = _remove(path for path in _older(blobs.folder, "??/*", grace) if path.name not in in_use)
    return MaintenanceReport(
        files_merged=sum(int(row[2]) for row in merged),
        files_written=sum(int(row[3]) for row in merged),
        snapshots_expired=expired,
        files_removed=len(removed),
        orphans_removed=len(orphans),
        leftovers_removed=leftovers,
        blobs_removed=unreferenced,
        bytes_freed=max(0, before - _size(lake.tables) - _size(lake.settings.artifacts)),
        seconds=time.monotonic() - started,
    )


def _call(lake: Lake, function: str, *arguments: str) -> list[tuple[Any, ...]]:
    return lake.rows(f"FROM {function}({', '.join([repr(CATALOG), *arguments])})")


def _expire(lake: Lake, keep_days: float) -> int:
    newest = snapshots.current(lake)
    old = lake.rows(
        f"SELECT snapshot_id FROM {CATALOG}.snapshots() WHERE snapshot_time < ?",
        [datetime.now(UTC) - timedelta(days=keep_days)],
    )
    expiring = [str(number) for (number,) in old if number != newest]
    if expiring:
        _call(lake, "ducklake_expire_snapshots", f"versions => [{', '.join(expiring)}]")
    return len(expiring)


def _older(folder: Path, pattern: str, grace: timedelta) -> Iterator[Path]:
    limit = time.time() - grace.total_seconds()
    return (path for path in sorted(folder.glob(pattern)) if path.stat().st_mtime <= limit)


def _remove(paths: Iterator[Path]) -> int:
    removed = 0
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        removed += 1
    return removed


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
