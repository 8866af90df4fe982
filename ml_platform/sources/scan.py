"""The landing folder against what is recorded: which files wait, found by their size, time and content."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ml_platform.lake.blobs import file_hash
from ml_platform.sources.landing import landed
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.tables import Table
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion, by_path, versions

READER_VERSION = 1  # raise it when files would be read differently


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and why in one message."""

    path: str
    error: str


@dataclass(frozen=True)
class Pending:
    """What an ingest would do. `nothing` does not count files that were refused and did not change."""

    table: str
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether no file waits."""
        return not self.new and not self.changed

    @property
    def paths(self) -> list[str]:
        """The files that wait, in the order in which they are read."""
        return sorted([*self.new, *self.changed])


def read_key(table: Table) -> str:
    """What decides how a file is read: when it changes, files are read anew."""
    source = {"format": table.source.file_format, "separator": table.source.separator}
    wanted = sorted(table.columns) if table.clean is None else []
    return content_key(READER_VERSION, canonical(source), wanted)[:16]


def pending(state: State, table: Table) -> Pending:
    """A look at the landing folder that writes nothing; contents are hashed only where size or time changed."""
    return look(state, table)[0]


@dataclass
class Waiting:
    """A file to be read: where it is, and the versions of its path so far."""

    file: Path
    path: str
    before: list[FileVersion]


def look(state: State, table: Table) -> tuple[Pending, list[Waiting], list[tuple[FileVersion, int, int]]]:
    """Also the files to read, and unchanged ones whose size or time must be noted anew."""
    known, key = by_path(versions(state, table.name)), read_key(table)
    found, waiting, touched = Pending(table.name), [], []
    for path, file in landed(state.settings, table).items():
        before = known.get(path, [])
        try:
            match = _match(file, before)
        except OSError:
            continue  # it went away since the folder was listed
        if match is not None:
            version, stat = match
            if (version.bytes, version.mtime_ns) != stat:
                touched.append((version, *stat))
            if version.read_key == key:
                if version.status == "refused":
                    found.refused.append(Refusal(path, version.error or ""))
                continue
        (found.changed if before else found.new).append(path)
        waiting.append(Waiting(file, path, before))
    return found, waiting, touched


def _match(file: Path, before: list[FileVersion]) -> tuple[FileVersion, tuple[int, int]] | None:
    """The last or the standing version that has the file's content, with the file's size and time."""
    last = before[-1:]
    if last and not last[0].sha256 and not os.access(file, os.R_OK):
        return last[0], (last[0].bytes, last[0].mtime_ns)  # it can still not be opened
    candidates = [*last, *(v for v in before[:-1] if v.status == "ingested")]
    candidates = [v for v in candidates if v.sha256]  # without: it could not even be opened
    if not candidates:
        return None
    stat = file.stat()
    seen = stat.st_size, stat.st_mtime_ns
    for version in last:
        if version.sha256 and (version.bytes, version.mtime_ns) == seen:
            return version, seen
    digest = file_hash(file)
    return next(((v, seen) for v in candidates if v.sha256 == digest), None)
