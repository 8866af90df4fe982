"""The rows of one version on their way into the raw table: a frame while they are few, else files beside the tables."""

from collections.abc import Callable

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.frames import staged
from ml_platform.lake.staging import Rows, discard
from ml_platform.sources.source import RowSink


class RowIntake(RowSink):
    """Holds at most two frames; a version of several frames is written to the lake's staging folder.

    `prepare` gives the form in which rows are stored, from the frame, the number of its first row and the fingerprint
    of the content. It raises FileRefused for what cannot be.
    """

    def __init__(self, lake: Lake, prepare: Callable[[pl.DataFrame, int, str], pl.DataFrame]) -> None:
        self.height = 0
        self._lake = lake
        self._prepare = prepare
        self._fingerprint = ""
        self._frame: pl.DataFrame | None = None
        self._staged: list[Rows] = []

    def begin(self, fingerprint: str) -> None:
        self.discard()
        self._fingerprint = fingerprint

    def take(self, frame: pl.DataFrame) -> None:
        prepared = self._prepare(frame, self.height, self._fingerprint)
        if self._frame is not None:
            self._staged.append(staged(self._lake, self._frame))
        self._frame = prepared
        self.height += frame.height

    @property
    def rows(self) -> list[Rows]:
        """What a transaction is to append, in order. One that is staged must be taken, or discarded."""
        return [*self._staged, *([] if self._frame is None else [self._frame])]

    @property
    def is_large(self) -> bool:
        """Whether a part of the rows is staged, so that a transaction that fails has lost them."""
        return bool(self._staged)

    def discard(self) -> None:
        """Forget what was taken."""
        discard(self._staged)
        self._staged, self._frame, self.height = [], None, 0
