"""The list of the files of one backup, and its text in a folder of backups."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ml_platform.errors import BackupError

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
    listed: dict[str, Any] = json.loads(text)
    if listed["format"] > FORMAT:
        raise BackupError(
            f"Backup {name} has format {listed['format']}; this version knows up to {FORMAT}.",
            remedy="Use the version of ml_platform that made it, or a newer one.",
        )
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


def _digits(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
