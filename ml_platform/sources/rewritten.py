"""A source as the records know it: bytes from which rows were forgotten count as the content that they were (S47).

So content keys and versions stay. Content that still has such rows, such as the original landed once more, is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from ml_platform.errors import FileRefused
from ml_platform.sources.registry import source_of
from ml_platform.sources.source import Available, Reading, RowSink, Source
from ml_platform.spec.tables import Table
from ml_platform.state.database import State
from ml_platform.state.erasures import RewrittenFiles, rewritten_files
from ml_platform.state.files import FileVersion


def recorded_source(state: State, table: Table) -> Source:
    """The source of a table, with the fingerprints that are on record."""
    source, contents = source_of(state.settings, table), rewritten_files(state, table.name)
    return _Rewritten(source, contents) if contents.present else source


class _Rewritten(Source):
    def __init__(self, source: Source, contents: RewrittenFiles) -> None:
        self._source, self._contents = source, contents

    @property
    def display(self) -> Mapping[str, Any]:
        return self._source.display

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        for available in self._source.discover(recorded):
            yield replace(available, fingerprint=partial(self._recorded, available))

    def _recorded(self, available: Available) -> str | None:
        fingerprint = available.fingerprint()
        return None if fingerprint is None else self._contents.recorded(fingerprint)

    def read(self, version: Available, rows: RowSink) -> Reading | None:
        reading = self._source.read(version, _Recorded(rows, self._contents))
        if reading is None:
            return None
        fingerprint, error = self._contents.recorded(reading.fingerprint), reading.error
        if self._contents.is_forgotten(reading.fingerprint):
            error = str(
                FileRefused(
                    version.path,
                    "its content has rows that were forgotten",
                    remedy="Land it without them; `ml-platform forget` rewrote the file that was here.",
                )
            )
        return replace(reading, fingerprint=fingerprint, error=error)

    def marks(self) -> list[list[Any]]:
        return self._source.marks()


class _Recorded(RowSink):
    """Rows on their way, under the fingerprint that is on record."""

    def __init__(self, rows: RowSink, contents: RewrittenFiles) -> None:
        self._rows, self._contents = rows, contents

    def begin(self, fingerprint: str) -> None:
        self._rows.begin(self._contents.recorded(fingerprint))

    def take(self, frame: pl.DataFrame) -> None:
        self._rows.take(frame)
