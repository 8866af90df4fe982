"""Reading one landed file: CSV as text, NDJSON, JSON and Parquet with their types."""

import csv
import errno
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from ml_platform import interrupts
from ml_platform.errors import FileRefused, SourceUnavailable
from ml_platform.naming import literal
from ml_platform.settings import FileLimits
from ml_platform.sources.broken_files import ContentBroken
from ml_platform.sources.column_names import check_names
from ml_platform.sources.guard import Guard
from ml_platform.sources.json_reading import read_json, read_ndjson
from ml_platform.sources.parquet_reading import read_parquet
from ml_platform.sources.unpacking import check_text, in_utf8, unpacked
from ml_platform.spec.sources import Files

_DEFAULTS = FileLimits()
_QUICK = 1_000_000  # bytes that are read in no time, so that no thread watches over it
_BUFFER = 32_000_000  # bytes, of the CSV reader
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT}


def read(file: Path, path: str, source: Files, limits: FileLimits = _DEFAULTS) -> pl.DataFrame:
    """The rows of `file` in their order. CSV columns are text, unquoted and otherwise as they came.

    Args:
        file: Where it is.
        path: What messages call it.
        source: How it is to be read.
        limits: What it may take.

    Raises:
        FileRefused: For whatever cannot be read whole; LimitExceeded for what is beyond a limit.
        SourceUnavailable: Where the machine fails and not the file: no space to unpack it, too many open files.
    """
    guard = Guard(path, limits)
    try:
        with unpacked(file, guard) as packed, in_utf8(packed, guard, source.encoding) as plain:
            if plain.stat().st_size == 0:
                raise ContentBroken(path, "the file is empty", remedy="Land it with at least a header, or remove it.")
            rows = _read(plain, guard, source)
    except OSError as error:
        raise unopened(path, error) from None
    guard.check_cells(rows)
    return rows


def unopened(path: str, error: OSError) -> FileRefused:
    """The refusal of a file that the system does not open or read. Raises SourceUnavailable where the machine fails."""
    reason = f"it cannot be opened: {error.strerror or error}"
    if error.errno in _OF_THE_MACHINE:
        raise SourceUnavailable(path, reason, remedy="The next run tries again.") from None
    return FileRefused(path, reason, remedy="Make it readable.")


def _read(plain: Path, guard: Guard, source: Files) -> pl.DataFrame:
    if source.row_format == "parquet":
        return read_parquet(plain, guard)
    if source.row_format == "json":
        check_text(plain, guard, one_line=True)  # an array may stand on one line
        return read_json(plain, guard)
    check_text(plain, guard)
    if source.row_format == "ndjson":
        return read_ndjson(plain, guard)
    return _read_csv(plain, guard, source.separator)


def _read_csv(plain: Path, guard: Guard, separator: str) -> pl.DataFrame:
    names = header(plain, guard, separator)
    cursor = _reader().cursor()
    try:
        large = plain.stat().st_size > _QUICK
        with guard.interrupting(cursor.interrupt) if large else nullcontext():
            frame = cursor.execute(csv_sql(plain, separator, len(names), guard.limits)).pl()
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from None
    except duckdb.Error:
        interrupts.stop_if_arrived()
        guard.check_time()
        frame = _read_csv_slowly(plain, guard, separator, len(names))
    frame.columns = names
    return frame


def csv_sql(plain: Path, separator: str, width: int, limits: FileLimits = _DEFAULTS) -> str:
    """The query that reads a plain CSV of `width` columns as text, named c0, c1, …; it fails on a broken line."""
    kinds = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    listed = ", ".join(f"'c{i}'" for i in range(width))
    return (
        f"SELECT * FROM read_csv({literal(str(plain))}, auto_detect=false, header=true, columns={{{kinds}}}, "
        f"delim={literal(separator)}, quote='\"', escape='\"', strict_mode=true, force_not_null=[{listed}], "
        f"max_line_size={limits.max_line_bytes}, buffer_size={max(_BUFFER, 4 * limits.max_line_bytes)})"
    )


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})


def header(plain: Path, guard: Guard, separator: str) -> list[str]:
    """The column names of a plain CSV.

    Raises FileRefused for a broken first line, for names that come twice, and for too many.
    """
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        try:
            cells = next(csv.reader(stream, delimiter=separator, strict=True))
        except (csv.Error, StopIteration) as error:
            problem = f"the header cannot be read: {error}"
            raise ContentBroken(guard.path, problem, position="line 1") from None
    names = [cell or f"unnamed_{i}" for i, cell in enumerate(cells, 1)]
    guard.check_width(len(names), "line 1")
    check_names(names, guard.path, "line 1")
    return names


def _read_csv_slowly(plain: Path, guard: Guard, separator: str, width: int) -> pl.DataFrame:
    """What the fast reader would not read: mixed line ends are read, the first broken line is named."""
    columns: list[list[str]] = [[] for _ in range(width)]
    csv.field_size_limit(guard.limits.max_cell_bytes)
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator, strict=True)
        first = 1
        try:
            next(rows)
            while True:
                first = rows.line_num + 1
                if len(columns[0]) % 1024 == 0:
                    guard.check_time(f"line {first:,}")
                row = next(rows)
                if not row and width > 1:
                    continue
                if len(row) != width and row:
                    raise ContentBroken(
                        guard.path, f"{len(row)} cells where the header has {width}", position=f"line {first:,}"
                    )
                for column, cell in zip(columns, row or [""], strict=True):
                    column.append(cell)
        except StopIteration:
            pass
        except csv.Error as error:
            if "field larger" in str(error):
                raise guard.cell_too_long(f"line {first:,}") from None
            raise ContentBroken(guard.path, _in_words(str(error)), position=f"line {first:,}") from None
    return pl.DataFrame({f"c{i}": pl.Series(column, dtype=pl.String) for i, column in enumerate(columns)})


def _in_words(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened and never closed"
    return f"not well-formed CSV: {error}"
