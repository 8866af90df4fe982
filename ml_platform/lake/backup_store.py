"""A folder of backups: every content once, under its SHA-256, and one list of files for each backup.

    backups.json                 the format of the folder, and whose lake it is
    objects/<two digits>/<hash>  the bytes
    backups/<number>-<moment>-<hash>.json  the files of one backup; the hash is that of the list itself

A backup is there as soon as its list is: the list is renamed into place last. What a killed backup copied before stays,
and is not copied again. Folders and files are for their owner only.

The time of modification of an object is always `_COMPARED`. Whatever writes into an object changes it, and so does a
check that finds other bytes. The next backup then reads the object, and stores it again when it is damaged.
"""

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from ml_platform.errors import BackupError, first_line
from ml_platform.lake import backup_lists, durable
from ml_platform.lake.backup_lists import FORMAT, Backup, StoredFile
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import disk_fault, exhausted
from ml_platform.lake.hashed_copy import copy_hashed, reading
from ml_platform.lake.locking import hold_lock_file
from ml_platform.private_files import make_private

_NAME = "backups.json"
_HASH = re.compile(r"[0-9a-f]{64}")
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_NAMED = 5  # backups that a message lists
_COMPARED = 946_684_800_000_000_000  # ns: 2000-01-01, which every file system can hold


class BackupStore:
    """An opened folder of backups. Raises BackupError for a folder that is none, or one of newer code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        about = self.folder / _NAME
        try:
            with reading(about):
                number = int(json.loads(about.read_text())["format"])
        except FileNotFoundError:
            raise BackupError(
                f"{self.folder} is no folder of backups.", remedy="`ml-platform backup FOLDER` makes one."
            ) from None
        except (ValueError, KeyError, TypeError):
            raise BackupError(
                f"{about} is damaged.",
                remedy='Write {"format": N} into it, where N is the "format" of the newest list in '
                f"{self.folder / 'backups'}.",
            ) from None
        if number > FORMAT:
            raise BackupError(
                f"The backups in {self.folder} have format {number}; this version knows up to {FORMAT}.",
                remedy="Use the version of ml_platform that made them, or a newer one.",
            )

    @classmethod
    def make(cls, folder: Path) -> "BackupStore":
        """Open the folder, which is made if it is missing or empty. Raises BackupError for one with other files."""
        folder = folder.resolve()
        with writing(folder):
            durable.make_folder(folder, _PRIVATE_FOLDER)
            if not (folder / _NAME).exists():
                others = [path.name for path in folder.iterdir() if not path.name.startswith(_NAME)]
                if others:
                    raise BackupError(
                        f"{folder} holds {sorted(others)[0]} and is no folder of backups.",
                        remedy="Name an empty folder, or a new one.",
                    )
                durable.write(folder / _NAME, json.dumps({"format": FORMAT}).encode(), _PRIVATE_FILE)
        store = cls(folder)
        make_private(folder)
        return store

    @contextmanager
    def locked(self, timeout: float) -> Iterator[Path]:
        """Hold the folder against other backups; yields a folder for passing files. Raises BackupError in the end."""

        def busy() -> BackupError:
            return BackupError(
                f"Another process has used {self.folder} for {timeout:.0f} s.",
                remedy="Wait for it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
            )

        incoming = self.folder / "incoming"
        with hold_lock_file(self.folder / "backups.lock", timeout, busy, explaining=writing):
            make_private(self.folder / "backups.lock")
            try:
                with writing(self.folder):
                    shutil.rmtree(incoming, ignore_errors=True)  # of a backup that was killed
                    incoming.mkdir(_PRIVATE_FOLDER)
                yield incoming
            finally:
                shutil.rmtree(incoming, ignore_errors=True)

    def put(
        self, source: Path, *, certain_hash: str = "", sha256: str = "", size: int | None = None
    ) -> tuple[str, int, bool] | None:
        """Store a file's bytes; hash, size, and whether they are new. None, and nothing stored, when it is damaged.

        Args:
            source: The file. It may not change meanwhile.
            certain_hash: Its hash where that is certain: it is not read when these bytes are stored.
            sha256: The hash that it must have to be whole; empty where nobody knows.
            size: The bytes that it must have to be whole.

        Raises:
            FileNotFoundError: When the source is missing.
            BackupError: When it cannot be read, or the folder has no room.
        """
        source_size = source.stat().st_size
        if size is not None and source_size != size:
            return None
        if certain_hash and self._has(certain_hash, source_size):
            return certain_hash, source_size, False
        if sha256 and self._has(sha256, source_size):
            with reading(source):
                return (sha256, source_size, False) if file_hash(source) == sha256 else None
        incoming = self.folder / "incoming" / uuid.uuid4().hex
        with writing(self.folder):
            try:
                digest, copied = copy_hashed(source, incoming, _PRIVATE_FILE)
                if sha256 and digest != sha256:
                    return None
                new = not self._has(digest, copied)
                if new:
                    _mark(incoming, _COMPARED)
                    target = self.path(digest)
                    durable.make_folder(target.parent, _PRIVATE_FOLDER)
                    incoming.replace(target)
                    durable.sync_folder(target.parent)
            finally:
                incoming.unlink(missing_ok=True)
        return digest, copied, new

    def add(self, backup: Backup) -> Backup:
        """Write the list of a backup, as the last step; the backup with its name."""
        name, text = backup_lists.written(backup)
        with writing(self.folder):
            durable.make_folder(self.folder / "backups", _PRIVATE_FOLDER)
            durable.write(self.list_path(name), text, _PRIVATE_FILE)
        return backup_lists.read(name, text)

    def names(self) -> list[str]:
        """The names of all backups, newest first."""
        stems = (path.stem for path in (self.folder / "backups").glob("*.json"))
        return sorted(filter(backup_lists.NAME.fullmatch, stems), reverse=True)  # no notes or conflicts of others

    def find(self, name: str = "") -> Backup:
        """A backup by its name or the beginning of it; the newest for "". Raises BackupError."""
        names = self.names()
        chosen = [one for one in names if one.startswith(name)] if name else names[:1]
        if not chosen:
            raise BackupError(
                f"There is no {f'backup {name!r}' if name else 'finished backup'} in {self.folder}.",
                remedy=f"There are: {', '.join(names[:5])}." if names else "Repeat `ml-platform backup`: it goes on.",
            )
        if len(chosen) > 1:
            raise BackupError(f"Several backups begin with {name!r}.", remedy=f"Name one: {', '.join(chosen[:5])}.")
        with reading(self.list_path(chosen[0])):
            text = self.list_path(chosen[0]).read_bytes()
        return backup_lists.read(chosen[0], text)

    def readable(self) -> Iterator[Backup]:
        """All backups whose lists are whole, newest first."""
        for name in self.names():
            with suppress(BackupError):  # `find` names it when it is asked for
                yield self.find(name)

    def without(self, digests: Set[str]) -> list[str]:
        """The names of the backups, newest first, that hold none of these contents. Damaged lists are left out."""
        return [one.name for one in self.readable() if digests.isdisjoint(file.sha256 for file in one.files)]

    def path(self, digest: str) -> Path:
        """Where the bytes of that hash are or would be."""
        return self.folder / "objects" / digest[:2] / digest

    def objects(self) -> Iterator[Path]:
        """All stored files, also those that no backup names."""
        return (path for path in (self.folder / "objects").glob("??/*") if _HASH.fullmatch(path.name))

    def whole(self, file: StoredFile) -> bool:
        """Whether the bytes of a file are there and have their hash. Raises BackupError when they cannot be read.

        Of an object with other bytes the time of modification is changed: the next backup compares and replaces it.
        """
        stored = self.path(file.sha256)
        with reading(stored):
            if not stored.exists():
                return False
            whole = file_hash(stored) == file.sha256
        if not whole:
            _mark(stored, time.time_ns())
        return whole

    def take(self, file: StoredFile, target: Path, *, private: bool = False) -> None:
        """Copy the bytes of a file to `target`, which only its owner may read if it is `private`.

        Raises BackupError when they are missing, damaged or unreadable; `target` is not there then.
        """
        stored, digest = self.path(file.sha256), ""
        try:
            if stored.exists():
                mode = _PRIVATE_FILE if private else 0o666
                digest, _ = copy_hashed(stored, target, mode, most=file.size)
        finally:
            if digest != file.sha256:
                target.unlink(missing_ok=True)
        if digest != file.sha256:
            raise BackupError(
                f"{stored}, which holds {file.path}, is {'damaged' if digest else 'missing'}.",
                remedy=f"Put the file back from a copy of this folder. {other_backups(self.without({file.sha256}))}",
            )

    def list_path(self, name: str) -> Path:
        """Where the list of the backup of that name is."""
        return self.folder / "backups" / f"{name}.json"

    def _has(self, digest: str, size: int) -> bool:
        """Whether so many bytes are stored under that hash, and whole; read only where that is not certain.

        Damage without a write is found by a check or a restore only.
        """
        stored = self.path(digest)
        if not stored.is_file() or stored.stat().st_size != size:
            return False
        if stored.stat().st_mtime_ns != _COMPARED:
            try:
                if file_hash(stored) != digest:
                    return False
            except OSError:
                return False  # what cannot be read is stored anew
            _mark(stored, _COMPARED)
        make_private(stored)
        return True


def other_backups(unaffected: Sequence[str]) -> str:
    """The part of a remedy that names the backups which hold no damaged file, newest first.

    >>> other_backups(["000002-20240301T000000Z-0123456789abcdef"])
    'Or restore one that does not hold it with --backup: 000002-20240301T000000Z-0123456789abcdef.'
    >>> other_backups([])
    'Every other backup of this folder holds it too, or has a damaged list.'
    """
    if not unaffected:
        return "Every other backup of this folder holds it too, or has a damaged list."
    more = f" and {len(unaffected) - _NAMED:,} more" if len(unaffected) > _NAMED else ""
    return f"Or restore one that does not hold it with --backup: {', '.join(unaffected[:_NAMED])}{more}."


def _mark(stored: Path, moment: int) -> None:
    """Set the time of modification, in ns. Where that is not possible, the object is compared by every backup."""
    with suppress(OSError):
        os.utime(stored, ns=(moment, moment))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise BackupError for a folder of backups that is full or not writable; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        if exhausted(error, folder):
            raise BackupError(
                f"The disk of {folder} is full: {first_line(error)}. No backup was made.",
                remedy="Free space there and run again: what was copied stays. `--keep N` removes older backups.",
            ) from error
        if disk_fault(error, folder):
            raise BackupError(
                f"{folder} is not writable: {first_line(error)}.", remedy="Make it writable, or name another folder."
            ) from error
        raise
