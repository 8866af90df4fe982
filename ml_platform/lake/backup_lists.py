"""The list of the files of one backup, and its text in a folder of backups."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from ml_platform.errors import BackupError

NAME = re.compile(r"\d{6}-\d{8}T\d{6}Z-[0-9a-f]{16}")  # of a backup: number, moment, hash of its list
_HASH = re.compile(r"[0-9a-f]{64}")
_FILES = frozenset({"lake/catalog.sqlite", "lake/state.sqlite", "lake/catalog.dump", "examples.json"})
_FOLDERS = (("lake", "tables"), ("artifacts",), ("reports",))
FORMAT = 1  # raised when an older reader could not understand a newer folder


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


def written(backup: Backup) -> tuple[str, bytes]:
    """The name of a backup, which ends with the hash of its list, and the text of the list."""
    listed = {name: value for name, value in asdict(backup).items() if name != "name"}
    text = json.dumps({"format": FORMAT, **listed, "made_at": backup.made_at.isoformat()}).encode()
    return f"{backup.number:06d}-{backup.made_at:%Y%m%dT%H%M%SZ}-{_digits(text)}", text


def read(name: str, text: bytes) -> Backup:
    """The backup of that name from the text of its list. Raises BackupError when it is damaged or of newer code."""
    if _digits(text) != name.rpartition("-")[2]:
        raise BackupError(
            f"The list of backup {name} is damaged.",
            remedy="Name an older one with --backup: `ml-platform restore FOLDER --list` shows them.",
        )
    try:
        listed: dict[str, Any] = json.loads(text)
        if listed["format"] > FORMAT:
            raise BackupError(
                f"Backup {name} has format {listed['format']}; this version knows up to {FORMAT}.",
                remedy="Use the version of ml_platform that made it, or a newer one.",
            )
        return Backup(
            number=int(listed["number"]),
            lake=str(listed["lake"]),
            catalog=str(listed["catalog"]),
            snapshot=int(listed["snapshot"]),
            made_at=datetime.fromisoformat(listed["made_at"]),
            made_by=str(listed["made_by"]),
            files=tuple(_stored_file(file) for file in listed["files"]),
            lost=tuple(map(str, listed["lost"])),
            name=name,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupError(
            f"The list of backup {name} is none that `ml-platform backup` writes: {error!r}.",
            remedy="Name another one with --backup: `ml-platform restore FOLDER --list` shows them.",
        ) from None


def _stored_file(listed: Mapping[str, Any]) -> StoredFile:
    """A file of a list. Raises ValueError for one that a backup does not hold: a list may come from anywhere."""
    file = StoredFile(**listed)
    if not isinstance(file.sha256, str) or not _HASH.fullmatch(file.sha256):
        raise ValueError(f"{file.sha256!r} is no SHA-256")
    if not (isinstance(file.size, int) and file.size >= 0 and isinstance(file.mtime_ns, int)):
        raise ValueError(f"{file.size!r} bytes at {file.mtime_ns!r}")
    if not _belongs(file.path):
        raise ValueError(f"{file.path!r} is no path of a backup")
    return file


def _belongs(path: str) -> bool:
    """Whether a path in the data folder is one of a backup, and leads nowhere else."""
    parts = PurePosixPath(path).parts
    if "\0" in path or ".." in parts or path != "/".join(parts):
        return False
    return path in _FILES or any(parts[: len(folder)] == folder and len(parts) > len(folder) for folder in _FOLDERS)


def _digits(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
