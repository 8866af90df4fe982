"""Restores a platform from a backup: whole or not at all, and the same command goes on after a kill.

The order makes an unfinished restore harmless: a note that one is under way, what stands there set aside, the files,
the state, and the catalog last. While the note is there, nothing opens the lake.
"""

import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_platform.errors import BackupError
from ml_platform.lake import lifetime, postgres_dump, sqlite_copies
from ml_platform.lake.backup_lists import Backup, StoredFile
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.durable import sync_folder
from ml_platform.lake.locking import file_lock, removal_lock
from ml_platform.lake.lost_catalog import UNFINISHED_RESTORE, catalog_file, is_missing
from ml_platform.runtime.backup import CATALOG, DUMP, STATE
from ml_platform.settings import Settings
from ml_platform.state import database
from ml_platform.state.engine import path as state_file

OnFile = Callable[[], None]
_DATABASES = (STATE, CATALOG, DUMP)


@dataclass(frozen=True)
class RestoreReport:
    """The result of a restore. `copied` files were missing or had other bytes; `set_aside`: where the old lake is."""

    backup: str
    data: str
    files: int
    bytes: int
    copied: int
    set_aside: str
    lost: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class CheckReport:
    """What a check of a backup found: `damaged` files have other bytes than were stored, or none."""

    backup: str
    files: int
    bytes: int
    damaged: tuple[str, ...]
    lost: tuple[str, ...]


def backups(folder: Path) -> list[dict[str, Any]]:
    """The backups of a folder, newest first: name, when and by which version it was made, files, bytes, lost files."""
    store = BackupStore(folder)
    return [
        {
            "backup": one.name,
            "made_at": one.made_at,
            "made_by": one.made_by,
            "catalog": one.catalog,
            "files": len(one.files),
            "bytes": one.size,
            "lost": len(one.lost),
        }
        for one in store.readable()
    ]


def check(folder: Path, name: str = "", *, on_file: OnFile = lambda: None) -> CheckReport:
    """Read every byte of a backup and compare the hashes; nothing is written. Raises BackupError."""
    store = BackupStore(folder)
    backup, damaged = store.find(name), []
    for file in backup.files:
        if not store.whole(file):
            damaged.append(f"{file.path} ({store.path(file.sha256)})")
        on_file()
    return CheckReport(backup.name, len(backup.files), backup.size, tuple(damaged), backup.lost)


def restore(
    settings: Settings, folder: Path, name: str = "", *, replace: bool = False, on_file: OnFile = lambda: None
) -> RestoreReport:
    """Restore a backup: the newest, or the one whose name begins with `name`.

    A lake that is whole is refused unless `replace`; its catalog and state are then set aside, never deleted. Files of
    tables and blobs that are there and whole stay, also those that the backup does not know.

    Raises BackupError when the backup is damaged or does not fit, and LakeError when another process writes.
    """
    started, store = time.monotonic(), BackupStore(folder)
    backup = store.find(name)
    _check_kind(settings, backup)
    lake = settings.lake.resolve()
    with explained(settings.data):
        for needed in (lake / "tables", lake / "staging", settings.artifacts / "incoming"):
            needed.mkdir(parents=True, exist_ok=True)
    timeout = settings.lock_timeout
    with removal_lock(lake, "a restore", timeout), file_lock(lake, "a restore", timeout), explained(settings.data):
        aside = _begin(settings, backup, replace)
        _set_aside(settings, backup, aside)
        since = datetime.now(UTC)
        copied = 0
        for file in backup.files:
            if file.path not in _DATABASES:
                copied += _bring(settings, store, file)
                on_file()
        for parent in {(settings.data / file.path).parent for file in backup.files if file.path not in _DATABASES}:
            sync_folder(parent)
        lifetime.begin(lake, backup.lake, backup.snapshot, since)
        copied += _bring_databases(settings, store, backup, on_file)
        (lake / UNFINISHED_RESTORE).unlink()
        sync_folder(lake)
    return RestoreReport(
        backup=backup.name,
        data=str(settings.data.resolve()),
        files=len(backup.files),
        bytes=backup.size,
        copied=copied,
        set_aside=str(aside) if aside.exists() else "",
        lost=backup.lost,
        seconds=time.monotonic() - started,
    )


def _check_kind(settings: Settings, backup: Backup) -> None:
    here = "postgresql" if settings.catalog.get_secret_value() else "sqlite"
    if here != backup.catalog:
        remedy = "Unset ML_PLATFORM_CATALOG." if here == "postgresql" else "Name an empty database in it."
        raise BackupError(
            f"Backup {backup.name} is of a {backup.catalog} catalog, and ML_PLATFORM_CATALOG says {here}.",
            remedy=remedy,
        )


def _begin(settings: Settings, backup: Backup, replace: bool) -> Path:
    """Note that a restore is under way; where a lake that stands is set aside."""
    lake = settings.lake.resolve()
    note = lake / UNFINISHED_RESTORE
    if note.exists():
        aside = lake / str(json.loads(note.read_text())["aside"])
    else:
        if not replace or settings.catalog.get_secret_value():
            _refuse_whole(settings)
        aside = lake / f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    unfinished = note.with_name(f"{note.name}.new")
    unfinished.write_text(json.dumps({"backup": backup.name, "aside": aside.name}))
    unfinished.replace(note)
    sync_folder(lake)
    return aside


def _refuse_whole(settings: Settings) -> None:
    if settings.catalog.get_secret_value():
        if database.lake_exists(settings) or database.exists(settings):
            raise BackupError(
                "The PostgreSQL database holds a lake or an operational state.",
                remedy="Name an empty database in ML_PLATFORM_CATALOG, and restore into that.",
            )
        return
    files = (catalog_file(settings), state_file(settings))
    if all(not is_missing(file) and not sqlite_copies.problem(file) for file in files):
        raise BackupError(
            f"A lake stands in {settings.lake.resolve()}, and its catalog and state are whole. Nothing was changed.",
            remedy="Pass --replace to set both aside, or restore into another ML_PLATFORM_DATA.",
        )


def _bring(settings: Settings, store: BackupStore, file: StoredFile) -> int:
    """Put one file into its place unless it is there; how many were copied."""
    target = settings.data.resolve() / file.path
    if target.is_file() and target.stat().st_size == file.size and file_hash(target) == file.sha256:
        return 0
    folder = settings.artifacts.resolve() / "incoming"
    passing = (settings.lake.resolve() / "staging" if file.path.startswith("lake/") else folder) / uuid.uuid4().hex
    try:
        store.take(file, passing)
        target.parent.mkdir(parents=True, exist_ok=True)
        passing.replace(target)
    finally:
        passing.unlink(missing_ok=True)
    return 1


def _set_aside(settings: Settings, backup: Backup, aside: Path) -> None:
    """Move catalog and state of the lake that stands away, unless this restore has put them there."""
    wanted = {file.path: file.sha256 for file in backup.files}
    for name, database_file in ((CATALOG, catalog_file(settings)), (STATE, state_file(settings))):
        logs = [database_file.with_name(f"{database_file.name}{end}") for end in ("-wal", "-shm", "-journal")]
        logged = any(log.exists() and log.stat().st_size for log in logs)
        if logged or not (database_file.is_file() and file_hash(database_file) == wanted.get(name)):
            for standing in (database_file, *logs):  # a log that stays would be played into the restored database
                if standing.exists():
                    aside.mkdir(exist_ok=True)
                    shutil.move(standing, aside / standing.name)


def _bring_databases(settings: Settings, store: BackupStore, backup: Backup, on_file: OnFile) -> int:
    """State and catalog, in this order; how many were copied."""
    copied = 0
    by_path = {file.path: file for file in backup.files}
    if DUMP in by_path:
        if not database.lake_exists(settings):  # else this restore was killed right after it
            dumped = settings.lake.resolve() / "staging" / uuid.uuid4().hex
            try:
                store.take(by_path[DUMP], dumped)
                postgres_dump.load(settings, dumped)
            finally:
                dumped.unlink(missing_ok=True)
            copied = 1
        on_file()
        return copied
    for name in (STATE, CATALOG):
        copied += _bring(settings, store, by_path[name])
        sync_folder(settings.lake.resolve())
        on_file()
    return copied
