"""A folder of backups: every content once, under its SHA-256, and one list of files for each backup.

    backups.json                 the format of the folder, and whose lake it is
    objects/<two digits>/<hash>  the bytes
    backups/<number>-<moment>-<hash>.json  the files of one backup; the hash is that of the list itself

A backup is there as soon as its list is: the list is renamed into place last. What a killed backup copied before stays,
and is not copied again.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ml_platform.errors import BackupError
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained

FORMAT = 1  # raised when an older reader could not understand a newer folder
_NAME = "backups.json"
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class StoredFile:
    """A file of a backup: its path in the data folder, the hash and number of its bytes, when it was changed."""

    path: str
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Backup:
    """One backup. `catalog` is sqlite or postgresql; `lost`: files that were missing or damaged already."""

    number: int
    lake: str
    catalog: str
    snapshot: int
    made_at: datetime
    made_by: str
    files: tuple[StoredFile, ...]
    lost: tuple[str, ...] = ()
    name: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class BackupStore:
    """An opened folder of backups. Raises BackupError for a folder that is none, or one of newer code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        try:
            about = json.loads((self.folder / _NAME).read_text())
            number = int(about["format"])
        except FileNotFoundError:
            raise BackupError(
                f"{self.folder} is no folder of backups.", remedy="`ml-platform backup FOLDER` makes one."
            ) from None
        except (ValueError, KeyError, TypeError):
            raise BackupError(
                f"{self.folder / _NAME} is damaged.", remedy=f'Write {{"format": {FORMAT}}} into it.'
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
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not (folder / _NAME).exists():
                others = [path.name for path in folder.iterdir() if not path.name.startswith(_NAME)]
                if others:
                    raise BackupError(
                        f"{folder} holds {sorted(others)[0]} and is no folder of backups.",
                        remedy="Name an empty folder, or a new one.",
                    )
                _write(folder / _NAME, json.dumps({"format": FORMAT}).encode())
        return cls(folder)

    @contextmanager
    def locked(self, timeout: float) -> Iterator[Path]:
        """Hold the folder against other backups; yields a folder for passing files. Raises BackupError in the end."""
        with explained(self.folder):
            lock = FileLock(self.folder / "backups.lock")
            try:
                lock.acquire(timeout=timeout)
            except Timeout:
                raise BackupError(
                    f"Another process has used {self.folder} for {timeout:.0f} s.",
                    remedy="Wait for it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
                ) from None
            incoming = self.folder / "incoming"
            try:
                shutil.rmtree(incoming, ignore_errors=True)  # of a backup that was killed
                incoming.mkdir()
                yield incoming
                shutil.rmtree(incoming)
            finally:
                lock.release()

    def put(self, source: Path, reusable: str = "") -> tuple[str, int, bool]:
        """Store a file's bytes; hash, size, and whether they are new. `reusable`: a hash whose bytes need no reading.

        Raises FileNotFoundError when the source is missing.
        """
        if reusable and self.has(reusable):
            return reusable, self.path(reusable).stat().st_size, False
        incoming = self.folder / "incoming" / uuid.uuid4().hex
        digest, size = copy_hashed(source, incoming)
        new = not self.has(digest)
        if new:
            target = self.path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(target)
            sync_folder(target.parent)
        incoming.unlink(missing_ok=True)
        return digest, size, new

    def add(self, backup: Backup) -> Backup:
        """Write the list of a backup, as the last step; the backup with its name."""
        listed = {name: value for name, value in asdict(backup).items() if name != "name"}
        text = json.dumps({"format": FORMAT, **listed, "made_at": backup.made_at.isoformat()}).encode()
        moment = f"{backup.made_at:%Y%m%dT%H%M%SZ}"
        name = f"{backup.number:06d}-{moment}-{hashlib.sha256(text).hexdigest()[:16]}"
        folder = self.folder / "backups"
        folder.mkdir(exist_ok=True)
        _write(folder / f"{name}.json", text)
        return _backup(text, name)

    def names(self) -> list[str]:
        """The names of all backups, newest first."""
        return sorted((path.stem for path in (self.folder / "backups").glob("*.json")), reverse=True)

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
        text = (self.folder / "backups" / f"{chosen[0]}.json").read_bytes()
        if hashlib.sha256(text).hexdigest()[:16] != chosen[0].rpartition("-")[2]:
            raise BackupError(
                f"The list of backup {chosen[0]} is damaged.",
                remedy="Name an older one with --backup: `ml-platform restore FOLDER --list` shows them.",
            )
        if (number := json.loads(text)["format"]) > FORMAT:
            raise BackupError(
                f"Backup {chosen[0]} has format {number}; this version knows up to {FORMAT}.",
                remedy="Use the version of ml_platform that made it, or a newer one.",
            )
        return _backup(text, chosen[0])

    def readable(self) -> Iterator[Backup]:
        """All backups whose lists are whole, newest first."""
        for name in self.names():
            with suppress(BackupError):  # `find` names it when it is asked for
                yield self.find(name)

    def path(self, digest: str) -> Path:
        """Where the bytes of that hash are or would be."""
        return self.folder / "objects" / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether bytes of that hash are stored. They are read when they are used."""
        return self.path(digest).exists()

    def whole(self, file: StoredFile) -> bool:
        """Whether the bytes of a file are there and have their hash."""
        return self.has(file.sha256) and file_hash(self.path(file.sha256)) == file.sha256

    def take(self, file: StoredFile, target: Path) -> None:
        """Copy the bytes of a file to `target`. Raises BackupError when they are missing or damaged."""
        stored = self.path(file.sha256)
        try:
            digest, _ = copy_hashed(stored, target)
        except FileNotFoundError:
            digest = ""
        if digest != file.sha256:
            target.unlink(missing_ok=True)
            raise BackupError(
                f"{stored}, which holds {file.path}, is {'damaged' if digest else 'missing'}. Nothing else was lost.",
                remedy="Restore an older backup with --backup, or put the file back from a copy of this folder.",
            )


def copy_hashed(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file to the disk; the hash and number of the bytes that were read."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest(), size


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with unfinished.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def _backup(text: bytes, name: str) -> Backup:
    listed: dict[str, Any] = json.loads(text)
    files: Sequence[dict[str, Any]] = listed["files"]
    return Backup(
        number=listed["number"],
        lake=listed["lake"],
        catalog=listed["catalog"],
        snapshot=listed["snapshot"],
        made_at=datetime.fromisoformat(listed["made_at"]),
        made_by=listed["made_by"],
        files=tuple(StoredFile(**file) for file in files),
        lost=tuple(listed["lost"]),
        name=name,
    )
