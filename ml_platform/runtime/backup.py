"""Backups of a platform: catalog, operational state, the files of tables, blobs and report pages.

Catalog and state are copied under the write lock, so that they are of one moment; everything they name is copied
afterwards, while runs go on, because nobody changes it and maintenance waits. Landing files are not part of it.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import func, select

from ml_platform.errors import BackupError
from ml_platform.lake import catalog_files, postgres_dump, snapshots, sqlite_copies
from ml_platform.lake.backup_lists import Backup, StoredFile
from ml_platform.lake.backup_removal import Removed, keep_newest
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.catalog_faults import damage_named
from ml_platform.lake.catalog_files import CatalogFile
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import TablePartition, not_made_again
from ml_platform.lake.locking import file_lock, removal_lock
from ml_platform.lake.lost_catalog import RESTORE, catalog_file, refuse_to_replace
from ml_platform.runtime.retention import shown, stored_outputs
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.shipped import ADDED
from ml_platform.state import database
from ml_platform.state.database import State
from ml_platform.state.engine import path as state_file
from ml_platform.state.schema import records

CATALOG, STATE, DUMP = "lake/catalog.sqlite", "lake/state.sqlite", "lake/catalog.dump"
OnFile = Callable[[], None]


@dataclass(frozen=True)
class BackupReport:
    """The result of a backup.

    new_files, new_bytes:      were not stored before, or damaged.
    lost:                      was missing or damaged already: paths of files, and names of partitions that were set
                               aside and not made again since.
    removed:                   the names of older backups that were removed.
    removed_files, removed_bytes: were stored, and no backup that is kept names them.
    """

    backup: str
    folder: str
    files: int
    bytes: int
    new_files: int
    new_bytes: int
    lost: tuple[str, ...]
    removed: tuple[str, ...]
    removed_files: int
    removed_bytes: int
    seconds: float


@dataclass(frozen=True)
class _Moment:
    """What catalog and state are, and what they name, at one moment."""

    lake: str
    snapshot: int
    databases: Mapping[str, Path]  # path in the data folder → the copy
    tables: list[CatalogFile]
    lost: set[TablePartition]
    blobs: set[str]
    shown: set[str]
    reports: set[str]


def backup(
    settings: Settings, folder: Path, *, keep: int | None = None, on_file: OnFile = lambda: None
) -> BackupReport:
    """Back up the platform into a folder of backups, which is made if it is missing. Only new content is copied.

    Args:
        settings: Those of the platform.
        folder: The folder of backups.
        keep: How many backups the folder keeps, with this one; None keeps all. Older ones are removed once this one is
            there, and none when files were lost before it: an older one may still have them.
        on_file: Called after each file.

    Raises:
        BackupError: When there is no lake, when the folder is unsuitable or full, or a database is damaged.
        LakeError: When the catalog does not open, or another process writes.
        StateError: When catalog and state do not belong together.
    """
    started, data = time.monotonic(), settings.data.resolve()
    if keep is not None and keep < 1:
        raise BackupError(f"{keep} backups cannot be kept.", remedy="Keep 1 or more: `--keep 1`.")
    if folder.resolve().is_relative_to(data):
        raise BackupError(f"{folder} lies in the data folder {data}.", remedy="Name a folder on another disk.")
    if not database.lake_exists(settings):
        refuse_to_replace(settings)
        raise BackupError(f"There is no lake in {settings.lake}.", remedy="There is nothing to back up yet.")
    Workspace.open_for_reading(settings, {}).close()  # they open and belong together; an older lake is migrated
    store = BackupStore.make(folder)
    with store.locked(settings.lock_timeout) as passing:
        with removal_lock(settings.lake.resolve(), "a backup", settings.lock_timeout):
            before = _newest(store)
            with _moment(settings, passing) as moment:
                if before is not None and before.lake != moment.lake:
                    raise BackupError(f"{store.folder} holds backups of another lake.", remedy="Name another folder.")
                copying = _Copying(store, before, on_file)
                copying.lost += sorted(f"{one.name} (set aside, not made again yet)" for one in moment.lost)
                for name, copy in moment.databases.items():
                    copying.add(name, copy)
                _copy_files(settings, moment, copying)
                finished = store.add(
                    Backup(
                        number=_number(store),
                        lake=moment.lake,
                        catalog="postgresql" if settings.catalog.get_secret_value() else "sqlite",
                        snapshot=moment.snapshot,
                        made_at=datetime.now(UTC),
                        made_by=version("ml-platform"),
                        files=tuple(copying.files),
                        lost=tuple(copying.lost),
                    )
                )
        removed = keep_newest(store, keep) if keep and not finished.lost else Removed()
    return BackupReport(
        backup=finished.name,
        folder=str(store.folder),
        files=len(finished.files),
        bytes=finished.size,
        new_files=copying.new_files,
        new_bytes=copying.new_bytes,
        lost=finished.lost,
        removed=removed.backups,
        removed_files=removed.files,
        removed_bytes=removed.bytes,
        seconds=time.monotonic() - started,
    )


class _Copying:
    """Files on their way into the store."""

    def __init__(self, store: BackupStore, before: Backup | None, on_file: OnFile) -> None:
        self.files: list[StoredFile] = []
        self.lost: list[str] = []
        self.new_files = self.new_bytes = 0
        self._store, self._on_file = store, on_file
        self._before = {file.path: file for file in before.files} if before else {}

    def add(self, name: str, source: Path, *, size: int | None = None, sha256: str = "") -> None:
        """Store a file under its path in the data folder. `size`, `sha256`: what it must have to be whole.

        It is read unless the last backup stored it with the same size and time of change.
        """
        try:
            status = source.stat()
            earlier, certain_hash = self._before.get(name), ""
            if earlier is not None and (earlier.size, earlier.mtime_ns) == (status.st_size, status.st_mtime_ns):
                certain_hash = earlier.sha256 if sha256 in ("", earlier.sha256) else ""
            stored = self._store.put(source, certain_hash=certain_hash, sha256=sha256, size=size)
        except FileNotFoundError:
            stored = None
        if stored is None:
            self.lost.append(name)
            return
        digest, length, new = stored
        self.files.append(StoredFile(name, digest, length, status.st_mtime_ns))
        self.new_files += new
        self.new_bytes += length if new else 0
        self._on_file()


def _copy_files(settings: Settings, moment: _Moment, copying: _Copying) -> None:
    data, tables, blobs = settings.data, settings.lake.resolve() / "tables", Blobs(settings)
    for file in moment.tables:
        if file.current or (tables / file.path).exists():  # an older snapshot may have lost its files long ago
            copying.add(f"lake/tables/{file.path}", tables / file.path, size=file.size, sha256=file.sha256)
    for digest in sorted(moment.blobs | moment.shown):
        note, present = blobs.rewriting_note(digest), blobs.present(digest)
        if present != digest:  # rows of it were forgotten
            copying.add(f"artifacts/{digest[:2]}/{note.name}", note)
        path = settings.artifacts / present[:2] / present
        if digest in moment.blobs or path.exists():
            copying.add(f"artifacts/{present[:2]}/{present}", path, sha256=present)
    for name in [*sorted(moment.reports), ADDED]:
        if (data / name).exists():  # a lost page is drawn again by the next run
            copying.add(name, data / name)


@contextmanager
def _moment(settings: Settings, passing: Path) -> Iterator[_Moment]:
    """Copies of catalog and state, of one moment. Raises BackupError when one of them is damaged."""
    if settings.catalog.get_secret_value():
        with (
            closing(Lake(settings, read_only=False)) as lake,
            closing(State(settings)) as state,
            lake.locked("a backup"),
            state.writing(),
        ):
            postgres_dump.dump(settings, passing / "catalog.dump")
            moment = _Moment(
                lake.identity,
                snapshots.current(lake),
                {DUMP: passing / "catalog.dump"},
                catalog_files.files_of(lake),
                not_made_again(lake),
                stored_outputs(state),
                shown(state),
                _reports(state),
            )
        yield moment
        return
    folder = passing / "lake"
    folder.mkdir()
    catalog, state_copy = folder / "catalog.sqlite", folder / "state.sqlite"
    with (
        closing(Lake(settings, read_only=True)) as lake,
        file_lock(settings.lake.resolve(), "a backup", settings.lock_timeout),
        damage_named(settings),
    ):
        problem = sqlite_copies.copy({catalog_file(settings): catalog, state_file(settings): state_copy})
        lost = set() if problem else not_made_again(lake)
    for copy in (catalog, state_copy) if not problem else ():
        problem = problem or (f"{copy.name}: {said}" if (said := sqlite_copies.checked(copy)) else "")
    if "disk is full" in problem:  # of the folder of the backup, where the copies are
        raise BackupError(
            f"There is no room for a copy of catalog and state in {folder.parent}: {problem}. No backup was made.",
            remedy="Free space there, or back up to another disk.",
        )
    if problem:
        raise BackupError(f"Catalog or state cannot be copied: {problem}. No backup was made.", remedy=RESTORE)
    with closing(sqlite3.connect(catalog)) as copied:
        (lake_id,) = copied.execute("SELECT schema_uuid FROM ducklake_schema WHERE schema_id = 0").fetchone()
        (snapshot,) = copied.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchone()
    with closing(State(settings.model_copy(update={"data": passing}), read_only=True)) as state:
        named = stored_outputs(state), shown(state), _reports(state)
    databases = {STATE: state_copy, CATALOG: catalog}
    yield _Moment(lake_id, snapshot, databases, catalog_files.files_in(catalog), lost, *named)


def _reports(state: State) -> set[str]:
    """The paths of report files that the newest records name."""
    newest = select(func.max(records.c.id)).group_by(records.c.asset, records.c.partition)
    rows = state.rows(select(records.c.files).where(records.c.id.in_(newest), records.c.files != "{}"))
    return {name for (text,) in rows for name in json.loads(text)}


def _newest(store: BackupStore) -> Backup | None:
    return next(store.readable(), None)


def _number(store: BackupStore) -> int:
    return max((int(name.partition("-")[0]) for name in store.names()), default=0) + 1
