"""The files of a restore, on their way from a backup to their places in the data folder.

First every file is brought. One whose place is empty goes there, which harms nobody: nothing names it yet. One that
takes the place of another waits in a passing folder. When all are there and compared, catalog and state are set aside
and the waiting files get their names, the catalog last. Nothing is copied then, so nothing of the backup can fail.
"""

import shutil
from pathlib import Path

from ml_platform.lake import durable
from ml_platform.lake.backup_lists import StoredFile
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.lost_catalog import catalog_file
from ml_platform.runtime.backup import CATALOG, DUMP, STATE
from ml_platform.settings import Settings
from ml_platform.state.engine import path as state_file

_DATABASES = (STATE, CATALOG)  # in the order in which they get their names
_LOGS = ("-wal", "-shm", "-journal")


class RestoredFiles:
    """Brings the files of one backup. For whoever holds the locks of the lake."""

    def __init__(self, settings: Settings, store: BackupStore) -> None:
        self._data, self._store = settings.data.resolve(), store
        self._lake, artifacts = settings.lake.resolve(), settings.artifacts.resolve()
        self._passing = {True: self._lake / "restoring", False: artifacts / "restoring"}  # each on its target's disk
        self._databases = {STATE: state_file(settings), CATALOG: catalog_file(settings)}
        self._waiting: dict[str, tuple[Path, Path]] = {}  # by path in the data folder: where it is, and its place
        self._changed: set[Path] = set()  # folders with new names

    def bring(self, file: StoredFile) -> bool:
        """Bring a file; whether it was not in its place yet. What an earlier restore brought is not copied again.

        Raises BackupError when the backup does not have it whole, and LakeError when the disk is full.
        """
        target = self._data / file.path
        if _is(target, file) and not self._has_log(file.path):
            return False
        passing = self._passing[file.path.startswith("lake/")] / file.sha256
        if not _is(passing, file):
            with explained(self._data):
                durable.make_folder(passing.parent)
                self._store.take(file, passing, private=file.path in (STATE, DUMP))
        if file.path in (*_DATABASES, DUMP) or target.exists():
            self._waiting[file.path] = passing, target
        else:
            self._move_into_place(passing, target)
        return True

    def waiting(self, path: str) -> Path:
        """Where a file that was brought waits. `path`: that in the data folder."""
        return self._waiting[path][0]

    def sync(self) -> None:
        """Have the names of all files that are in their places on the disk."""
        for folder in self._changed:
            durable.sync_folder(folder)
        self._changed.clear()

    def swap(self, aside: Path) -> None:
        """Set catalog and state aside, and give all waiting files their names: those databases last, each on the disk.

        Args:
            aside: A folder for what is set aside. It is made when it is needed; nothing in it is replaced.
        """
        for name in _DATABASES:
            if name in self._waiting:
                self._set_aside(self._databases[name], aside)
        for path in sorted(self._waiting.keys() - {*_DATABASES, DUMP}):
            self._move_into_place(*self._waiting.pop(path))
        self.sync()
        for name in _DATABASES:
            if name in self._waiting:
                self._move_into_place(*self._waiting.pop(name))
                self.sync()

    def finish(self) -> None:
        """Remove the passing folders."""
        for folder in self._passing.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _move_into_place(self, passing: Path, target: Path) -> None:
        with explained(self._data):
            durable.make_folder(target.parent)
            passing.replace(target)
            self._changed.add(target.parent)

    def _has_log(self, path: str) -> bool:
        """Whether a log is beside a database that would be played into it."""
        return path in self._databases and any(log.stat().st_size for log in _logs(self._databases[path]))

    def _set_aside(self, database: Path, aside: Path) -> None:
        there = [path for path in (database, *_logs(database)) if path.exists()]
        if not there:
            return
        number, folder = 1, aside
        while any((folder / path.name).exists() for path in there):
            number += 1
            folder = aside.with_name(f"{aside.name}-{number}")
        with explained(self._data):
            durable.make_folder(folder)
            for path in there:
                path.rename(folder / path.name)
            durable.sync_folder(folder)
            durable.sync_folder(self._lake)


def _is(path: Path, file: StoredFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and file_hash(path) == file.sha256


def _logs(database: Path) -> list[Path]:
    logs = (database.with_name(f"{database.name}{ending}") for ending in _LOGS)
    return [log for log in logs if log.exists()]
