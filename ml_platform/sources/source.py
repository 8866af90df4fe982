"""What a source must offer: which versions of its content there are, and the rows of one.

One module of this package implements it for one declared word and calls its class `SOURCE`;
`ml_platform.sources.registry` finds it. Nothing else of the platform asks which kind a source is of.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import polars as pl

from ml_platform.settings import Settings
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion


class Stamp(NamedTuple):
    """A mark of a version that costs nothing to take: while it is the same, so is the content.

    Of a file its size in bytes and the time at which the system saw it change last, in nanoseconds.
    """

    size: int
    changed: int


@dataclass(frozen=True)
class Available:
    """A version that the source has now, as `discover` found it. One version is one batch of rows.

    path:        its name, unique in the table; a later version of the same path replaces an earlier one.
    stamp:       compared with the stamp on record, so that unchanged content is not read.
    fingerprint: the SHA-256 of the content in hex, asked for where the stamp differs. None where only
                 `read` can tell, "" for content that cannot be opened. May raise OSError for what went away.
    readable:    whether it can be read again. Where it cannot, it stands as it was read, whatever is declared now.
    """

    path: str
    stamp: Stamp
    fingerprint: Callable[[], str | None]
    readable: bool = True


class RowSink(Protocol):
    """What takes the rows of one version, in bounded frames of one schema."""

    def begin(self, fingerprint: str) -> None:
        """The rows of the content with that SHA-256 follow, from the first; what was taken before is forgotten."""

    def take(self, frame: pl.DataFrame) -> None:
        """The next rows, in their order. At least one frame comes, if need be without rows. Raises FileRefused."""


@dataclass(frozen=True)
class Reading:
    """A version as it was read.

    fingerprint: the SHA-256 of the content in hex; "" when it could not be opened.
    stamp:       of what was read.
    error:       why it was refused; None when all rows were taken.
    position:    where the source goes on after it, recorded with it; None where it does not go on.
    """

    fingerprint: str
    stamp: Stamp
    error: str | None = None
    position: str | None = None


class Source(Protocol):
    """The source of one table.

    A version arrives when it is first read, unless an arrival was declared for its path and fingerprint.
    """

    def __init__(self, settings: Settings, table: Table) -> None: ...

    @property
    def display(self) -> Mapping[str, Any]:
        """What people should see of it beside the raw table; no secrets."""

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        """The versions that there are, by path in a fixed order. Nothing is written.

        `recorded` holds the versions on record by path, oldest first. Raises SourceUnavailable when
        the source cannot be asked.
        """

    def read(self, version: Available, rows: RowSink) -> Reading | None:
        """Hand the rows of a version to `rows`. They count only where the result has no `error`.

        None where it turns out that there is no such version: nothing new has come.

        Raises SourceUnavailable for what cannot be read now, FileNotFoundError for what went away.
        """

    def marks(self) -> list[list[Any]]:
        """JSON values that change when there may be something new; empty when there is nothing, or nobody answers.

        A sensor asks for them at every tick: they must cost little.
        """
