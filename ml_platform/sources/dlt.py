"""`Dlt`: each read of a resource of dlt that gave rows is a version; the resource's state stands in its record.

The versions on record are the only state: a read goes on from the position of the last one. Rows and position are
recorded together, so a read that was killed in the middle never was.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from ml_platform import interrupts
from ml_platform.errors import FileRefused, PlatformError, SourceUnavailable
from ml_platform.escaping import markdown_code
from ml_platform.settings import Settings
from ml_platform.sources.chunks import bounded
from ml_platform.sources.dlt_faults import unavailable
from ml_platform.sources.dlt_position import cursors, is_same, packed, unpacked
from ml_platform.sources.dlt_rows import Resource
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.frame_files import written
from ml_platform.sources.guard import Guard
from ml_platform.sources.row_digest import digest_of
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.spec.durations import SECOND, microseconds
from ml_platform.spec.sources import Dlt
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion

_LONGEST = 300  # characters of a cursor in a path


class DltSource(Source):
    """What a resource has given, version after version, and what it may give next."""

    def __init__(self, settings: Settings, table: Table) -> None:
        assert isinstance(table.source, Dlt)  # `registry.source_of` chose this class for it
        self._settings = settings
        self._declared = table.source
        self._last: FileVersion | None = None  # whose position the next read goes on from; `discover` finds it

    @property
    def display(self) -> dict[str, Any]:
        return {"resource": {"text": markdown_code(self._declared.label)}}

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        """The reads on record, and the next one, which nobody knows to have rows before it is read."""
        reads = self._in_order(recorded)
        for path, version in reads.items():
            newest = recorded[path][-1]
            if version.position is not None:
                yield Available(path, Stamp(newest.bytes, newest.mtime_ns), _unknown, readable=False)
                self._last = version
        after = "" if self._last is None else f" {len(reads) + 1} after {cursors(self._last.position)[:_LONGEST]}"
        yield Available(f"{self._declared.series}{after}", Stamp(0, time.time_ns()), _unknown)

    def read(self, version: Available, rows: RowSink) -> Reading | None:
        if not version.readable:
            raise SourceUnavailable(version.path, "it was read once and cannot be again", remedy="Raise version=.")
        path, position = version.path, None if self._last is None else self._last.position
        resource = self._resource(path, position)
        with TemporaryDirectory(prefix="dlt-") as folder:
            try:
                files = self._written(resource, path, Path(folder))
                if not files and position is not None:
                    return None
                digest = digest_of(map(pl.read_ipc, files))
                after = packed(resource.state, path)
                if self._last is not None and is_same(after, position) and digest == self._last.sha256:
                    return None  # rows of before, which dlt gives again
                rows.begin(digest)
                for part in bounded(map(pl.read_ipc, files)) if files else [pl.DataFrame()]:
                    rows.take(part)
            except SourceUnavailable:
                raise
            except RAISED as fault:
                refused = str(refusal(path, fault, "its rows were written"))
                return Reading(digest_of([pl.DataFrame({"refused": [refused]})]), version.stamp, refused)
        return Reading(digest, version.stamp, position=after)

    def marks(self) -> list[list[Any]]:
        """A number that grows every `every`: only a read can tell whether there are new rows."""
        seconds = microseconds(self._declared.every) / SECOND
        return [[self._declared.series, int(time.time() // seconds)]]

    def _in_order(self, recorded: Mapping[str, Sequence[FileVersion]]) -> dict[str, FileVersion]:
        """The reads of this resource that gave rows, by path, in their order: also those that were withdrawn since."""
        series, reads = self._declared.series, dict[str, FileVersion]()
        for path, versions in recorded.items():
            own = [v for v in versions if v.status != "refused" and v.position is not None]
            if own and (path == series or path.startswith(f"{series} ")) and _number(path, series) is not None:
                reads[path] = own[-1]
        return dict(sorted(reads.items(), key=lambda read: _number(read[0], series) or 1))

    def _resource(self, path: str, position: str | None) -> Resource:
        try:
            import dlt
        except ModuleNotFoundError:
            raise SourceUnavailable(path, "dlt is not installed", remedy="Install ml_platform[dlt].") from None
        assert dlt.__version__
        return Resource(self._declared, path, unpacked(position))

    def _written(self, resource: Resource, path: str, folder: Path) -> list[Path]:
        guard = Guard(path, self._settings, clock=lambda: 0.0)  # an API takes the time that it takes
        return written(_faults_named(resource.frames(), path), folder, guard, widens=True)


SOURCE = DltSource


def _faults_named(frames: Iterator[pl.DataFrame], path: str) -> Iterator[pl.DataFrame]:
    """`frames`, with SourceUnavailable for whatever dlt or the user's function raises."""
    while True:
        try:
            frame = next(frames, None)
        except FileRefused:
            raise
        except (*RAISED, SystemExit) as fault:
            interrupts.stop_if_arrived()
            if isinstance(fault, PlatformError):
                raise
            raise unavailable(path, fault) from fault
        if frame is None:
            return
        yield frame


def _number(path: str, series: str) -> int | None:
    """Which read of the series a path is of; None for a path of another one."""
    if path == series:
        return 1
    number, after, _ = f"{path.removeprefix(series).lstrip()} ".partition(" after ")
    return int(number) if after and number.isdecimal() else None


def _unknown() -> None:
    """The SHA-256 of rows is known only once they are read."""
