"""Restores a platform from a backup: whole or not at all, and the same command goes on after a kill.

Everything is brought from the backup and compared first; the lake stays as it is until then. Then a note says that a
restore is under way, catalog and state are set aside, and what was brought gets its name. While the note is there,
nothing opens the lake, and the same backup only is restored.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_platform.errors import BackupError, LakeError
from ml_platform.lake import durable, lifetime, postgres_dump, sqlite_copies
from ml_platform.lake.backup_lists import Backup
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.locking import file_lock, removal_lock
from ml_platform.lake.lost_catalog import UNFINISHED_RESTORE, catalog_file, is_missing
from ml_platform.lake.work_marks import at_work
from ml_platform.naming import counted, listed
from ml_platform.runtime.backup import DUMP
from ml_platform.runtime.restored_files import RestoredFiles
from ml_platform.settings import Settings
from ml_platform.state import database
from ml_platform.state.engine import path as state_file

OnFile = Callable[[], None]


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
    """What a check of a backup found: `damaged` files have other bytes than were stored, or none.

    `unaffected`: the names of the other backups, newest first, that hold none of the damaged files.
    """

    backup: str
    files: int
    bytes: int
    damaged: tuple[str, ...]
    lost: tuple[str, ...]
    unaffected: tuple[str, ...]


def backups(folder: Path) -> list[dict[str, Any]]:
    """The backups of a folder, newest first: name, when and by which version it was made, files, bytes, lost files.

    One whose list is damaged has its name and the `problem` only. Raises BackupError when there is no backup.
    """
    store, rows = BackupStore(folder), list[dict[str, Any]]()
    for name in store.names() or [store.find().name]:
        try:
            one = store.find(name)
        except BackupError as error:
            rows.append({**dict.fromkeys(_LISTED), "backup": name, "problem": error.what})
            continue
        figures = (one.made_at, one.made_by, one.catalog, len(one.files), one.size, len(one.lost), None)
        rows.append(dict(zip(_LISTED, (name, *figures), strict=True)))
    return rows


_LISTED = ("backup", "made_at", "made_by", "catalog", "files", "bytes", "lost", "problem")


def check(folder: Path, name: str = "", *, on_file: OnFile = lambda: None) -> CheckReport:
    """Read every byte of a backup and compare the hashes; nothing is restored. Raises BackupError.

    The next backup compares the damaged files too, and stores again what the lake still has.
    """
    store = BackupStore(folder)
    backup, damaged, digests = store.find(name), list[str](), set[str]()
    for file in backup.files:
        if not store.whole(file):
            damaged.append(f"{file.path} ({store.path(file.sha256)})")
            digests.add(file.sha256)
        on_file()
    unaffected = tuple(store.without(digests)) if digests else ()
    return CheckReport(backup.name, len(backup.files), backup.size, tuple(damaged), backup.lost, unaffected)


def restore(
    settings: Settings, folder: Path, name: str = "", *, replace: bool = False, on_file: OnFile = lambda: None
) -> RestoreReport:
    """Restore a backup: the newest, or the one whose name begins with `name`. One that was begun goes on.

    A lake that is whole is refused unless `replace`; its catalog and state are then set aside, never deleted. Files of
    tables and blobs that are there and whole stay, also those that the backup does not know.

    Raises BackupError when the backup is damaged or does not fit, and LakeError when another process writes, a run is
    under way or a service runs. Catalog and state are as they were then.
    """
    started, store, lake = time.monotonic(), BackupStore(folder), settings.lake.resolve()
    note = lake / UNFINISHED_RESTORE
    begun = _begun(lake)
    backup = _chosen(store, name, begun, lake)
    _check_kind(settings, backup)
    with explained(settings.data):
        for needed in (lake / "tables", lake / "staging", settings.artifacts / "incoming"):
            durable.make_folder(needed)
    timeout = settings.lock_timeout
    with removal_lock(lake, "a restore", timeout), file_lock(lake, "a restore", timeout):
        if _begun(lake) != begun:
            raise LakeError(f"Another restore of the lake in {lake} came first.", remedy="Run again.")
        _refuse_while_at_work(lake)
        if begun is None and not (replace and backup.catalog == "sqlite"):
            _refuse_whole(settings)
        loaded = backup.catalog == "postgresql" and _is_loaded(settings, backup)
        since, files, copied = datetime.now(UTC), RestoredFiles(settings, store), 0
        for file in backup.files:
            copied += files.bring(file)
            on_file()
        files.sync()
        aside = lake / (begun.aside if begun else f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
        with explained(settings.data):
            durable.write(note, json.dumps(asdict(_Begun(backup.name, aside.name))).encode())
            if backup.catalog == "postgresql" and not loaded:
                try:
                    postgres_dump.load(settings, files.waiting(DUMP))
                except BackupError:
                    note.unlink()  # it is loaded whole or not at all, so nothing was begun
                    raise
            files.swap(aside)
            lifetime.begin(lake, backup.lake, backup.snapshot, since)
            note.unlink()
            durable.sync_folder(lake)
        files.finish()
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


@dataclass(frozen=True)
class _Begun:
    """The note of a restore whose files are all there: the backup, and the folder for what is set aside."""

    backup: str
    aside: str


def _refuse_while_at_work(lake: Path) -> None:
    """Raise LakeError while a run is under way: it would go on writing to the files that are set aside."""
    if marks := at_work(lake):
        raise LakeError(
            f"{counted(len(marks), 'run or service is', 'runs or services are')} at work on the lake in {lake}: "
            f"{listed(marks)}.",
            remedy="Wait for it or end it, end `dagster dev` and `ml-platform serve`, and restore then.",
        )


def _begun(lake: Path) -> _Begun | None:
    """The restore that was begun and is not finished; None when there is none.

    Of a note that cannot be read nothing is known but that there is one.
    """
    try:
        noted = json.loads((lake / UNFINISHED_RESTORE).read_text())
        return _Begun(str(noted["backup"]), str(noted["aside"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        return _Begun("", "before-restore-unknown")


def _chosen(store: BackupStore, name: str, begun: _Begun | None, lake: Path) -> Backup:
    """The backup to restore. Raises BackupError for another one than that which was begun."""
    noted = begun.backup if begun else ""
    backup = store.find(name or noted)
    if begun and noted and backup.name != noted:
        raise BackupError(
            f"The restore of backup {noted} into {lake} was begun and is not finished. Nothing was changed.",
            remedy=f"Finish it first: `ml-platform restore FOLDER --backup {noted}`, then restore the other one with "
            f"--replace. To give it up, move what is in {lake / begun.aside} back to {lake}, and remove "
            f"{lake / UNFINISHED_RESTORE}.",
        )
    return backup


def _check_kind(settings: Settings, backup: Backup) -> None:
    here = "postgresql" if settings.catalog.get_secret_value() else "sqlite"
    if here != backup.catalog:
        remedy = "Unset ML_PLATFORM_CATALOG." if here == "postgresql" else "Name an empty database in it."
        raise BackupError(
            f"Backup {backup.name} is of a {backup.catalog} catalog, and ML_PLATFORM_CATALOG says {here}.",
            remedy=remedy,
        )


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


def _is_loaded(settings: Settings, backup: Backup) -> bool:
    """Whether PostgreSQL has the backup's lake: this restore was killed after it was loaded.

    Raises BackupError when another lake is there, or another moment of this one.
    """
    if not database.lake_exists(settings):
        return False
    if database.lake_moment(settings) != (backup.lake, backup.snapshot):
        raise BackupError(
            f"The PostgreSQL database holds another lake than backup {backup.name}, or another moment of it.",
            remedy="Name the database into which the restore was begun in ML_PLATFORM_CATALOG, or an empty one.",
        )
    return True
