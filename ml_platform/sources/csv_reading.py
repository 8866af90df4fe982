"""Reading a plain CSV as text: fast where it is well-formed, else line by line."""

import csv
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from ml_platform import interrupts
from ml_platform.errors import first_line
from ml_platform.naming import literal
from ml_platform.settings import FileLimits
from ml_platform.sources.broken_files import ContentBroken
from ml_platform.sources.column_names import check_names
from ml_platform.sources.guard import Guard

if TYPE_CHECKING:
    import pyarrow as pa

_DEFAULTS = FileLimits()
_QUICK = 1_000_000  # bytes that are read in no time, so that no thread watches over it
_BUFFER = 32_000_000  # bytes, of the CSV reader
_BATCH = 100_000  # rows


class NotStrict(Exception):
    """The fast reader does not read the file whole; the slow one reads it from the start, or names the broken line."""


def read_csv(plain: Path, guard: Guard, separator: str) -> Iterator[pl.DataFrame]:
    """The rows of a plain CSV as text, in batches; at least one.

    Raises NotStrict, perhaps after some batches, for what `read_csv_slowly` is to read from the start.
    """
    names = header(plain, guard, separator)
    share = csv_share(guard.limits)
    cursor = _reader(share["memory_limit"], share["threads"]).cursor()
    large = plain.stat().st_size > _QUICK
    with guard.interrupting(cursor.interrupt) if large else nullcontext():
        try:
            batches = cursor.execute(csv_sql(plain, separator, len(names), guard.limits)).to_arrow_reader(_BATCH)
        except duckdb.Error as error:
            raise _fault(error, guard) from None
        yield _named(batches.schema.empty_table(), names)
        while True:
            try:
                batch = batches.read_next_batch()
            except StopIteration:
                return
            except (duckdb.Error, OSError) as error:  # Arrow hands on what DuckDB raises as an OSError
                raise _fault(error, guard) from None
            yield _named(batch, names)


def _named(batch: "pa.Table | pa.RecordBatch", names: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame(batch)
    frame.columns = names
    return frame


def _fault(error: Exception, guard: Guard) -> Exception:
    """What to raise for an error of the fast reader. Raises LimitExceeded once the file has had its time."""
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in first_line(error):
        return MemoryError(str(error))
    interrupts.stop_if_arrived()
    guard.check_time()
    return NotStrict()


def csv_sql(plain: Path, separator: str, width: int, limits: FileLimits = _DEFAULTS) -> str:
    """The query that reads a plain CSV of `width` columns as text, named c0, c1, …; it fails on a broken line."""
    kinds = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    listed = ", ".join(f"'c{i}'" for i in range(width))
    return (
        f"SELECT * FROM read_csv({literal(str(plain))}, auto_detect=false, header=true, columns={{{kinds}}}, "
        f"delim={literal(separator)}, quote='\"', escape='\"', strict_mode=true, force_not_null=[{listed}], "
        f"max_line_size={limits.max_line_bytes}, buffer_size={_buffer(limits)})"
    )


def csv_share(limits: FileLimits) -> dict[str, Any]:
    """DuckDB's memory limit and threads for reading CSV: those of the settings, but room for a few buffers.

    A thread may hold two buffers at a time, so there are no more threads than memory is for.

    >>> csv_share(FileLimits(memory_limit="100MB", threads=8))
    {'memory_limit': '128000000B', 'threads': 2}
    """
    buffer = _buffer(limits)
    memory = max(limits.memory_bytes, 4 * buffer)
    return {"memory_limit": f"{memory}B", "threads": min(limits.thread_count, memory // (2 * buffer))}


def _buffer(limits: FileLimits) -> int:
    """Bytes of a buffer of the CSV reader, in which lines of the greatest length fit."""
    return max(_BUFFER, 4 * limits.max_line_bytes)


@cache
def _reader(memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": "",  # it spills nothing; the default is a folder where the command was typed
        }
    )


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


def read_csv_slowly(plain: Path, guard: Guard, separator: str) -> Iterator[pl.DataFrame]:
    """The rows that the fast reader would not read, in batches: mixed line ends are read.

    Raises FileRefused that names the first broken line.
    """
    names = header(plain, guard, separator)
    width, count = len(names), 0
    columns: list[list[str]] = [[] for _ in names]
    csv.field_size_limit(guard.limits.max_cell_bytes)
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator, strict=True)
        first = 1
        try:
            next(rows)
            while True:
                first = rows.line_num + 1
                if count % 1024 == 0:
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
                count += 1
                if len(columns[0]) >= _BATCH:
                    yield _texts(names, columns)
                    columns = [[] for _ in names]
        except StopIteration:
            pass
        except csv.Error as error:
            if "field larger" in str(error):
                raise guard.cell_too_long(f"line {first:,}") from None
            raise ContentBroken(guard.path, _in_words(str(error)), position=f"line {first:,}") from None
    yield _texts(names, columns)


def _texts(names: list[str], columns: list[list[str]]) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, cells, dtype=pl.String) for name, cells in zip(names, columns, strict=True)])


def _in_words(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened and never closed"
    return f"not well-formed CSV: {error}"
