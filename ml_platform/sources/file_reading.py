"""Reading one landed file in bounded frames: CSV as text, NDJSON, JSON and Parquet with their types."""

from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

import polars as pl

from ml_platform.disk_errors import is_of_the_machine
from ml_platform.errors import FileRefused, SourceUnavailable
from ml_platform.settings import FileLimits
from ml_platform.sources.broken_files import ContentBroken
from ml_platform.sources.chunks import bounded
from ml_platform.sources.content import Content
from ml_platform.sources.csv_reading import NotStrict, read_csv, read_csv_slowly
from ml_platform.sources.guard import Guard
from ml_platform.sources.json_reading import read_json, read_ndjson
from ml_platform.sources.parquet_reading import read_parquet
from ml_platform.sources.source import RowSink
from ml_platform.sources.unpacking import PACKED, check_text, in_utf8, unpacked
from ml_platform.spec.declared_files import DeclaredFiles

_DEFAULTS = FileLimits()


def read(file: Path, path: str, source: DeclaredFiles, limits: FileLimits = _DEFAULTS) -> pl.DataFrame:
    """The rows of `file` in their order, for what is small enough to hold. Raises as `read_into` does."""
    rows = _Collected([])
    read_into(rows, Content(file), path, source, limits)
    return pl.concat(rows.frames)


class _Collected(RowSink):
    def __init__(self, frames: list[pl.DataFrame]) -> None:
        self.frames = frames

    def begin(self, fingerprint: str) -> None:
        self.frames = []

    def take(self, frame: pl.DataFrame) -> None:
        self.frames.append(frame)


def read_into(
    rows: RowSink, content: Content, path: str, source: DeclaredFiles, limits: FileLimits = _DEFAULTS
) -> None:
    """Hand the rows of a file to `rows`. CSV columns are text, unquoted and otherwise as they came.

    Args:
        rows: What takes them. What it took does not count where this raises.
        content: The file. It is hashed while its text is checked, where it is neither packed nor of another encoding.
        path: What messages call it.
        source: How it is to be read.
        limits: What it may take.

    Raises:
        FileRefused: For whatever cannot be read whole; LimitExceeded for what is beyond a limit.
        SourceUnavailable: Where the machine fails and not the file: no space to unpack it, too many open files.
    """
    guard = Guard(path, limits)
    as_it_lies = content.file.suffix not in PACKED and source.encoding is None
    try:
        with unpacked(content.file, guard) as packed, in_utf8(packed, guard, source.encoding) as plain:
            if plain.stat().st_size == 0:
                raise ContentBroken(path, "the file is empty", remedy="Land it with at least a header, or remove it.")
            if source.row_format != "parquet":
                one_line = source.row_format == "json"  # an array may stand on one line
                check_text(plain, guard, one_line=one_line, seen_by=content.hashed if as_it_lies else iter)
            try:
                with closing(_frames(plain, guard, source)) as frames:  # a reader may watch the time
                    _hand_on(frames, rows, content, guard)
            except NotStrict:
                _hand_on(read_csv_slowly(plain, guard, source.separator), rows, content, guard)
    except OSError as error:
        raise unopened(path, error) from None


def _hand_on(frames: Iterable[pl.DataFrame], rows: RowSink, content: Content, guard: Guard) -> None:
    rows.begin(content.sha256())
    first = 0
    for frame in bounded(frames):
        guard.check_cells(frame, first)
        rows.take(frame)
        first += frame.height


def unopened(path: str, error: OSError) -> FileRefused:
    """The refusal of a file that the system does not open or read. Raises SourceUnavailable where the machine fails."""
    reason = f"it cannot be opened: {error.strerror or error}"
    if is_of_the_machine(error):
        raise SourceUnavailable(path, reason, remedy="The next run tries again.") from None
    return FileRefused(path, reason, remedy="Make it readable.")


def _frames(plain: Path, guard: Guard, source: DeclaredFiles) -> Generator[pl.DataFrame, None, None]:
    """The rows in frames of one schema; at least one."""
    if source.row_format == "parquet":
        yield from read_parquet(plain, guard)
    elif source.row_format == "json":
        yield read_json(plain, guard)
    elif source.row_format == "ndjson":
        yield read_ndjson(plain, guard)
    else:
        yield from read_csv(plain, guard, source.separator)
