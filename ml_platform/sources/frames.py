"""`Frames`: each version that a function of the user's names is a version of its path."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from ml_platform import interrupts
from ml_platform.errors import FileRefused, SourceUnavailable, first_line
from ml_platform.escaping import markdown_code, printable
from ml_platform.lake.storable import storable
from ml_platform.redaction import hide
from ml_platform.settings import Settings
from ml_platform.sources.chunks import bounded
from ml_platform.sources.guard import Guard
from ml_platform.sources.row_digest import digest_of
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.spec.durations import SECOND, microseconds
from ml_platform.spec.sources import Frames
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion

_AGAIN = "Nothing was lost: the next run tries again."
_asked: dict[str, tuple[float, list[list[Any]]]] = {}  # function → when a sensor asked it last, and the answer


class FramesSource(Source):
    """The versions of a table, known by the text that the user's function gives each, told from others by their rows.

    The rows of a version are written to a temporary folder before any is taken: a function that fails in the middle
    leaves nothing behind.
    """

    def __init__(self, settings: Settings, table: Table) -> None:
        assert isinstance(table.source, Frames)  # `registry.source_of` chose this class for it
        self._settings = settings
        self._table = table
        self._declared = table.source

    @property
    def display(self) -> dict[str, Any]:
        return {"function": {"text": markdown_code(self._declared.label)}}

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        for path, stamp in self._versions():
            yield Available(path, stamp, _unknown)

    def read(self, version: Available, rows: RowSink) -> Reading:
        path = version.path
        with TemporaryDirectory(prefix="frames-") as folder:
            try:
                files = self._written(path, Path(folder))
                digest = digest_of(map(pl.read_ipc, files))
                rows.begin(digest)
                for part in bounded(map(pl.read_ipc, files)):
                    rows.take(part)
            except SourceUnavailable:
                raise
            except FileRefused as refused:
                return Reading(digest_of([pl.DataFrame({"refused": [str(refused)]})]), version.stamp, str(refused))
        return Reading(digest, version.stamp)

    def marks(self) -> list[list[Any]]:
        name, now = self._declared.lies_in, time.monotonic()
        asked, answer = _asked.get(name, (-float("inf"), []))
        if now - asked >= microseconds(self._declared.every) / SECOND:
            try:
                answer = [[path, *stamp] for path, stamp in self._versions()]
            except SourceUnavailable:  # as a run says
                answer = []
            _asked[name] = now, answer
        return answer

    def _versions(self) -> list[tuple[str, Stamp]]:
        label, most = self._declared.lies_in.removeprefix("what ").removesuffix(" names"), self._settings.max_files
        versions = self._called(label, self._declared.versions)
        fits = isinstance(versions, Mapping) and all(
            isinstance(name, str) and name and isinstance(mark, str) for name, mark in versions.items()
        )
        if not fits:
            raise SourceUnavailable(
                label, "it gives no mapping of texts to texts", remedy="Return {name: what changes with its content}."
            )
        if len(versions) > most:
            raise SourceUnavailable(
                label, f"it names more than {most:,} versions", remedy="Name fewer, or raise ML_PLATFORM_MAX_FILES."
            )
        return [(name, _stamp(mark)) for name, mark in sorted(versions.items())]

    def _written(self, path: str, folder: Path) -> list[Path]:
        """The frames of a version as files of one schema, in order."""
        guard, files, schema, size, first = Guard(path, self._settings), list[Path](), dict[str, Any](), 0, 0
        frames = self._called(path, lambda: iter(self._declared.rows(path)))
        while (given := self._called(path, lambda: next(frames, None))) is not None:
            if not isinstance(given, pl.DataFrame):
                raise SourceUnavailable(
                    path, f"{self._declared.label} gives a {type(given).__name__}", remedy="Give frames of polars."
                )
            frame = storable(given)
            guard.check_width(frame.width, "the first frame" if not files else f"frame {len(files) + 1}")
            guard.check_cells(frame, first)
            _merge(schema, frame, path, len(files) + 1)
            files.append(folder / f"{len(files):08d}.arrow")
            frame.write_ipc(files[-1])
            first += frame.height
            size += files[-1].stat().st_size
            guard.check_bytes(size, f"{size:,} bytes")
            guard.check_time(f"row {first:,}")
        if not files:
            raise SourceUnavailable(
                path, f"{self._declared.label} gives no frame", remedy="Give at least one, if need be without rows."
            )
        for file in files:
            frame = pl.read_ipc(file)
            if dict(frame.schema) != schema:
                fitted = file.with_suffix(".fitted")  # the file may be mapped into memory while it is read
                frame.select(
                    (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
                    for name, kind in schema.items()
                ).write_ipc(fitted)
                fitted.replace(file)
        return files

    def _called(self, path: str, function: Any) -> Any:
        """What the user's function gives. Raises SourceUnavailable for whatever it raises."""
        hide(*(os.environ.get(name, "") for name in self._declared.secrets))
        try:
            return function()
        except SourceUnavailable:
            raise
        except (Exception, PanicException) as fault:  # whatever it is: it is the user's, and the other tables go on
            interrupts.stop_if_arrived()
            raise SourceUnavailable(
                path, f"{type(fault).__name__}: {printable(first_line(fault))}", remedy=_AGAIN
            ) from fault


SOURCE = FramesSource


def _merge(schema: dict[str, Any], frame: pl.DataFrame, path: str, number: int) -> None:
    """Add the columns of a frame. One without values has no type of its own. Raises FileRefused where types differ."""
    for name, kind in frame.schema.items():
        before = schema.setdefault(name, kind)
        if before == pl.Null:
            schema[name] = kind
        elif kind not in (before, pl.Null):
            raise FileRefused(
                path,
                f"{name!r} is {kind} in frame {number} and {before} before",
                remedy="Give every frame one type for it, such as by schema_overrides.",
            )


def _stamp(mark: str) -> Stamp:
    return Stamp(0, int.from_bytes(hashlib.sha256(mark.encode()).digest()[:8]) >> 1)


def _unknown() -> None:
    """The SHA-256 of rows is known only once they are read."""
