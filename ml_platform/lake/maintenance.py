"""Maintenance: merge small files and remove what nothing refers to. It never changes a row of the current tables."""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_platform.errors import LakeError
from ml_platform.lake import data_files, file_hashes, leftovers, snapshots, spilling
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.locking import removal_lock
from ml_platform.settings import Settings

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


def sweep(settings: Settings, *, grace: timedelta = GRACE) -> int:
    """Remove what killed processes left in the staging folders. It opens no lake, so it also works on a full disk.

    Returns how many files and folders went. `grace`: younger ones stay.
    """
    folders = (settings.lake / "staging", Blobs(settings).folder / "incoming")
    removed = sum(leftovers.remove_temporary(settings.lake, folder, grace) for folder in folders)
    leftovers.remove_temporary(settings.lake, spilling.locks(settings.lake), grace)  # of the folders that went
    return removed


def maintain(
    lake: Lake, *, keep_days: float = 30, referenced: Collection[str] | None = None, grace: timedelta = GRACE
) -> MaintenanceReport:
    """Merge small files, expire old snapshots, remove what nothing refers to and this lake has made.

    What needs no room comes first, then what needs little, then what writes files: on a full disk each step makes room
    for the next. Data files whose bytes changed since their commit are set aside.

    Args:
        lake: The lake, opened for writing.
        keep_days: Snapshots younger than that stay readable with `AT (VERSION => …)`; so does the newest, always.
        referenced: The digests of all blobs that are in use; None leaves the blobs alone.
        grace: Files, blobs and leftovers younger than that stay, for the runs and readers that still hold them.

    Raises:
        LakeError: When the lake was opened read-only, or when there is no room to merge files after all that could be
            removed is. What was done until then stays done.
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    with removal_lock(lake.folder, "maintenance", lake.settings.lock_timeout):
        return _maintain(lake, keep_days, referenced, grace)


def _maintain(lake: Lake, keep_days: float, referenced: Collection[str] | None, grace: timedelta) -> MaintenanceReport:
    started = time.monotonic()
    before = bytes_in(lake.tables) + bytes_in(lake.settings.artifacts)
    temporary, unreferenced = sweep(lake.settings, grace=grace), 0
    if referenced is not None:
        unreferenced = leftovers.remove_blobs(lake, Blobs(lake.settings).folder, referenced, grace)
    moment = f"older_than => TIMESTAMPTZ '{(datetime.now(UTC) - grace).isoformat()}'"
    with lake.locked("maintenance"), explained(lake.folder):
        # DuckLake's own removal of orphans takes whatever it does not name, and fails at some paths (ducklake#815).
        orphans = leftovers.remove_orphans(lake, grace)
        removed = _call(lake, "ducklake_cleanup_old_files", moment)
        expired = _expire(lake, keep_days)
        removed += _call(lake, "ducklake_cleanup_old_files", moment)
    # What is merged gets new hashes: before, nothing may be in it that was never committed.
    if lost := file_hashes.changed(lake):
        data_files.set_aside(lake, lost)
    with lake.locked("maintenance"), explained(lake.folder):
        # Few rows of the platform's own tables live in the catalog until they are flushed to files.
        _call(lake, "ducklake_flush_inlined_data")
        _call(lake, "ducklake_rewrite_data_files")
        merged = _call(lake, "ducklake_merge_adjacent_files")
        expired += _expire(lake, keep_days)
        removed += _call(lake, "ducklake_cleanup_old_files", moment)
        file_hashes.forget_removed(lake)
    file_hashes.tend(lake)
    return MaintenanceReport(
        files_merged=sum(int(row[2]) for row in merged),
        files_written=sum(int(row[3]) for row in merged),
        snapshots_expired=expired,
        files_removed=len(removed),
        orphans_removed=orphans,
        leftovers_removed=temporary,
        blobs_removed=unreferenced,
        bytes_freed=max(0, before - bytes_in(lake.tables) - bytes_in(lake.settings.artifacts)),
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


def bytes_in(folder: Path) -> int:
    """The bytes in a folder. What goes meanwhile does not count."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size
