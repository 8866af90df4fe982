"""`Files`: each file of the landing folder is a version of its path."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ml_platform.errors import SourceUnavailable
from ml_platform.lake.blobs import remembered_hash
from ml_platform.settings import Settings
from ml_platform.sources.content import Content
from ml_platform.sources.event_files import format_of
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.file_reading import read_into, unopened
from ml_platform.sources.guard import Guard
from ml_platform.sources.landed import files_of, landed, stamp_of
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.sources.unpacking import check_file
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion


class FileSource(Source):
    """The files of a table; a version is known by size and time of change, and told from others by its content."""

    _TICK = 20_000_000  # nanoseconds; a system's clock for files ticks every 4 ms to 10 ms

    def __init__(self, settings: Settings, table: Table) -> None:
        self._settings = settings
        self._table = table
        self._files: dict[str, Path] = {}  # by path, as discovered: a name that is not UTF-8 differs from its path

    @property
    def display(self) -> dict[str, Any]:
        return {"landing folder": {"path": str(self._settings.landing)}}

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        for path, file, stamp in self._stamped():
            self._files[path] = file
            yield Available(path, stamp, partial(_fingerprint, file, self._settings.max_file_bytes))

    def read(self, version: Available, rows: RowSink) -> Reading:
        file, path = self._files[version.path], version.path
        content, fingerprint, error = Content(file), "", None
        age = time.time_ns() - version.stamp.changed
        if 0 <= age < self._TICK:  # a change in the same tick would leave the stamp as it is
            time.sleep((self._TICK - age) / 1e9)
        can_be_hashed = False
        try:
            check_file(file, Guard(path, self._settings))  # to hash what is no regular file would take for ever
            can_be_hashed = True
            source = format_of(file, self._settings.landing, files_of(self._table))
            read_into(rows, content, path, source, self._settings)
        except (FileNotFoundError, SourceUnavailable):
            raise
        except OSError as fault:
            error = str(unopened(path, fault))
        except RAISED as fault:
            error = str(refusal(path, fault, "it was read"))
        if can_be_hashed:
            try:
                fingerprint = content.sha256()
            except FileNotFoundError:
                raise
            except OSError as fault:
                error = error or str(unopened(path, fault))
        after = _stamp(file)
        if after != version.stamp:
            raise SourceUnavailable(
                path,
                "it changed while it was read",
                position=f"{version.stamp.size:,} to {after.size:,} bytes",
                remedy="It is left for the next scan; `ml-platform land` copies files whole.",
            )
        return Reading(fingerprint, after, error)

    def marks(self) -> list[list[Any]]:
        try:
            return [[path, stamp.size, stamp.changed] for path, _, stamp in self._stamped()]
        except SourceUnavailable:  # too many files, as a run says
            return []

    def _stamped(self) -> Iterator[tuple[str, Path, Stamp]]:
        for path, file in landed(self._settings, self._table).items():
            try:
                stamp = _stamp(file)
            except FileNotFoundError:
                continue  # it went away since the folder was listed
            yield path, file, stamp


SOURCE = FileSource


def _stamp(file: Path) -> Stamp:
    """The stamp of a file; zeros where the system does not tell it. Raises FileNotFoundError."""
    try:
        return stamp_of(file)
    except FileNotFoundError:
        raise
    except OSError:
        return Stamp(0, 0)


def _fingerprint(file: Path, most: int) -> str:
    """Empty for what cannot be opened, and for more than so many bytes, which are not read."""
    if not os.access(file, os.R_OK) or not file.is_file():
        return ""
    if stamp_of(file).size > most:
        return ""
    return remembered_hash(file)  # a sensor asks at every tick until a run notes the new stamp
