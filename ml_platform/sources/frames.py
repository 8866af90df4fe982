"""`Frames`: each version that a function of the user's names is a version of its path."""

import asyncio
import hashlib
import os
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from ml_platform import interrupts
from ml_platform.errors import SourceUnavailable, first_line
from ml_platform.escaping import markdown_code, printable
from ml_platform.redaction import hide
from ml_platform.settings import Settings
from ml_platform.sources.chunks import bounded
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.frame_files import written
from ml_platform.sources.guard import Guard
from ml_platform.sources.row_digest import digest_of
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.spec.durations import SECOND, microseconds
from ml_platform.spec.sources import Frames
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion

_AGAIN = "Nothing was lost: the next run tries again."
_LONGEST = 1024  # characters of a version's name, as of an object's key
# What the user's functions may raise: sys.exit() and a cancelled task are no Exception. Ctrl-C is not theirs.
_THEIRS = (*RAISED, SystemExit, asyncio.CancelledError)
_END = object()
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
            except RAISED as fault:
                refused = str(refusal(path, fault, "its rows were written"))
                return Reading(digest_of([pl.DataFrame({"refused": [refused]})]), version.stamp, refused)
        return Reading(digest, version.stamp)

    def marks(self) -> list[list[Any]]:
        name, now = self._declared.versions_label, time.monotonic()
        asked, answer = _asked.get(name, (-float("inf"), []))
        if now - asked >= microseconds(self._declared.every) / SECOND:
            try:
                answer = [[path, *stamp] for path, stamp in self._versions()]
            except SourceUnavailable:  # as a run says
                answer = []
            _asked[name] = now, answer
        return answer

    def _versions(self) -> list[tuple[str, Stamp]]:
        label, most = self._declared.versions_label, self._settings.max_files
        given = self._called(label, lambda: _items(self._declared.versions()))
        if given is None or not all(isinstance(name, str) and name and isinstance(mark, str) for name, mark in given):
            raise SourceUnavailable(
                label, "it gives no mapping of texts to texts", remedy="Return {name: what changes with its content}."
            )
        versions = dict(given)
        unfit = next((name for name in versions if not _is_name(name)), None)
        if unfit is not None:
            raise SourceUnavailable(
                label,
                f"{unfit[:80]!r} cannot be the name of a version",
                remedy=f"Give at most {_LONGEST:,} characters without line breaks and other control characters.",
            )
        if len(versions) > most:
            raise SourceUnavailable(
                label, f"it names more than {most:,} versions", remedy="Name fewer, or raise ML_PLATFORM_MAX_FILES."
            )
        return [(name, _stamp(mark)) for name, mark in sorted(versions.items())]

    def _written(self, path: str, folder: Path) -> list[Path]:
        """The frames of a version as files of one schema, in order."""
        files = written(self._frames(path), folder, Guard(path, self._settings))
        if not files:
            raise SourceUnavailable(
                path, f"{self._declared.label} gives no frame", remedy="Give at least one, if need be without rows."
            )
        return files

    def _frames(self, path: str) -> Iterator[pl.DataFrame]:
        """What the user's function gives, and nothing else than frames."""
        rows = self._called(path, lambda: self._declared.rows(path))
        if isinstance(rows, pl.DataFrame | pl.LazyFrame):  # polars would hand out its columns
            raise self._no_frame(path, "returns", rows)
        frames = self._called(path, lambda: iter(rows))
        while (given := self._called(path, lambda: next(frames, _END))) is not _END:
            if not isinstance(given, pl.DataFrame):
                raise self._no_frame(path, "gives", given)
            yield given

    def _no_frame(self, path: str, how: str, given: Any) -> SourceUnavailable:
        return SourceUnavailable(
            path,
            f"{self._declared.label} {how} a {type(given).__name__}",
            remedy="Yield each frame as a polars.DataFrame, also where there is one only.",
        )

    def _called(self, path: str, function: Any) -> Any:
        """What the user's function gives. Raises SourceUnavailable for whatever it raises."""
        hide(*(os.environ.get(name, "") for name in self._declared.secrets))
        try:
            return function()
        except SourceUnavailable:
            raise
        except _THEIRS as fault:  # whatever it is: it is the user's, and the other tables go on
            interrupts.stop_if_arrived()
            raise SourceUnavailable(
                path, f"{type(fault).__name__}: {printable(first_line(fault))}", remedy=_AGAIN
            ) from fault


SOURCE = FramesSource


def _items(versions: Any) -> list[tuple[Any, Any]] | None:
    return list(versions.items()) if isinstance(versions, Mapping) else None


def _is_name(name: str) -> bool:
    """Whether every database and every terminal takes it: of bounded length, without control signs and half signs."""
    return len(name) <= _LONGEST and not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)


def _stamp(mark: str) -> Stamp:
    return Stamp(0, int.from_bytes(hashlib.sha256(mark.encode(errors="backslashreplace")).digest()[:8]) >> 1)


def _unknown() -> None:
    """The SHA-256 of rows is known only once they are read."""
