"""Opens a file of rows: checks and unpacks it, and stages it by column, so that one column at a time is in memory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl

from ml_platform.authoring.dialect import check_header, separator
from ml_platform.errors import AuthoringError, DeclarationError, FileRefused, PlatformError, UnfitArgument
from ml_platform.lake.storable import storable
from ml_platform.naming import counted, literal
from ml_platform.settings import FileLimits
from ml_platform.sources import csv_reading, file_reading
from ml_platform.sources.broken_files import ContentBroken, WrongEncoding
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.guard import Guard
from ml_platform.sources.parquet_reading import check_footer
from ml_platform.sources.raw_columns import ROW
from ml_platform.sources.unpacking import check_text, in_utf8, unpacked
from ml_platform.spec.sources import Files

MOST_COLUMNS = 1000
FEWEST_ROWS = 50
KNOWN = (".csv", ".parquet", ".pq", ".ndjson", ".jsonl", ".json")  # suffixes; what has another counts as CSV
_PACKED = (".gz", ".zip")
_DEFAULTS = FileLimits()
_WORKBOOKS = (".xls", ".xlsx", ".ods")


@dataclass(frozen=True)
class Opened:
    """The columns of a file, by index. `suffix` is what its name ends in, packing included; no `encoding` is UTF-8."""

    path: str
    stem: str
    suffix: str
    format: str
    separator: str
    encoding: str | None
    names: list[str]
    rows: int
    staged: Path

    def column(self, index: int) -> pl.Series:
        """One column whole: text as it came for a CSV, else with its type."""
        name = f"c{index}"
        values = pl.read_parquet(self.staged, columns=[name])
        if values[name].dtype in (pl.Int128, pl.UInt128):
            return values[name].alias(self.names[index])  # the lake keeps it as text, which the contract reads
        return storable(values)[name].alias(self.names[index])

    def sample(self, rows: int) -> pl.DataFrame:
        """At most so many rows, evenly spread, as an ingest reads them: under the file's names, with `_row`."""
        every = max(1, -(-self.rows // rows))
        frame = storable(pl.scan_parquet(self.staged).with_row_index(ROW).gather_every(every).collect())
        frame.columns = [ROW, *self.names]
        return frame.with_columns(pl.col(ROW).cast(pl.Int64))

    def distinct(self, indices: list[int]) -> int:
        """The number of distinct combinations of these columns."""
        frame = pl.read_parquet(self.staged, columns=[f"c{index}" for index in indices])
        return frame.n_unique()

    @cached_property
    def different(self) -> int:
        """The number of distinct rows, as ingestion counts them."""
        return self.distinct(list(range(len(self.names))))


@contextmanager
def opened(file: Path, limits: FileLimits = _DEFAULTS, *, encoding: str | None = None) -> Iterator[Opened]:
    """`file`, CSV, Parquet, NDJSON or JSON by its suffix (anything else counts as CSV), while the context is open.

    `encoding`: of its text, by a name that Python knows; None for UTF-8.

    Raises FileRefused for what cannot be read whole or is beyond the limits of a run, AuthoringError for too few rows
    or too many columns, UnfitArgument for an encoding that Python does not know, or of Parquet.
    """
    guard = Guard(file.name, limits)
    suffixes = file.suffixes
    packed = suffixes[-1] if suffixes and suffixes[-1] in _PACKED else ""
    inner = suffixes[:-1] if packed else suffixes
    suffix = f"{inner[-1] if inner else ''}{packed}"
    if suffix.lower() in _WORKBOOKS:
        raise FileRefused(file.name, "this is a workbook", remedy="Save the sheet as CSV.")
    kind = (Files(f"x{suffix}", format=None).row_format if _is_data_suffix(suffix) else None) or "csv"
    _check_encoding(encoding, kind)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="new-"))
        try:
            plain = stack.enter_context(unpacked(file, guard))
            plain = stack.enter_context(in_utf8(plain, guard, encoding))
            opened_file = _opened(guard, suffix, kind, plain, Path(folder) / "columns.parquet", encoding)
        except ContentBroken as broken:
            raise _here(broken, "Mend the file, and draft from it again.") from None
        except WrongEncoding as wrong:
            convert = f", or convert it: iconv -f {wrong.likely} -t UTF-8" if wrong.likely else ""
            likely = wrong.likely.lower() or "as the file is, or leave it out for UTF-8"
            raise _here(wrong, f"Pass --encoding {likely}{convert}.") from None
        except PlatformError:
            raise
        except OSError as fault:
            raise file_reading.unopened(guard.path, fault) from None
        except RAISED as fault:
            raise refusal(guard.path, fault, "it was read") from fault
        yield opened_file


def _check_encoding(encoding: str | None, kind: str) -> None:
    if encoding is None:
        return
    try:
        Files(f"x.{kind}", encoding=encoding)
    except DeclarationError as error:
        raise UnfitArgument(f"--encoding: {error.problem}.", remedy=error.remedy) from None


def _here(refused: FileRefused, remedy: str) -> FileRefused:
    """The refusal of a file that lies where the user keeps it: nothing was landed."""
    return FileRefused(refused.path, refused.problem, position=refused.position, remedy=remedy)


def _opened(guard: Guard, suffix: str, kind: str, plain: Path, staged: Path, encoding: str | None) -> Opened:
    path, cut = guard.path, ","
    if plain.stat().st_size == 0:
        raise FileRefused(path, "the file is empty", remedy="Give one with a header and rows.")
    if kind == "csv":
        check_text(plain, guard)
        cut = separator(plain)
        check_header(plain, path, cut)
        names = csv_reading.header(plain, guard, cut)
        _check_width(path, len(names))
        _stage_csv(guard, plain, cut, len(names), staged)
    else:
        names = _stage_typed(guard, plain, kind, staged)
    if ROW in names:
        raise AuthoringError(f"{path} has a column {ROW!r}, a name of the platform's.", remedy="Rename it.")
    rows = int(pl.scan_parquet(staged).select(pl.len()).collect().item()) if staged.exists() else 0
    if rows < FEWEST_ROWS:
        raise AuthoringError(
            f"{path} has {counted(rows, 'row')}, too few to learn from and to judge on.",
            remedy=f"{FEWEST_ROWS} are the least; some hundreds are better.",
        )
    stem = path[: len(path) - len(suffix)] if suffix else path
    return Opened(path, stem, suffix, kind, cut, encoding, names, rows, staged)


def _is_data_suffix(suffix: str) -> bool:
    return suffix.removesuffix(".gz").removesuffix(".zip") in KNOWN


def _stage_csv(guard: Guard, plain: Path, cut: str, width: int, staged: Path) -> None:
    """Streamed by DuckDB; where it stops, the reader of the ingest reads on or names the broken line."""
    target = literal(str(staged))
    try:
        share = csv_reading.csv_share(guard.limits)
        with duckdb.connect(config={**share, "temp_directory": str(staged.parent)}) as connection:
            sql = csv_reading.csv_sql(plain, cut, width, guard.limits)
            with guard.interrupting(connection.interrupt):
                connection.execute(f"COPY ({sql}) TO {target} (FORMAT parquet)")
    except duckdb.Error:
        guard.check_time()
        frame = file_reading.read(plain, guard.path, Files("x.csv", format="csv", separator=cut), guard.limits)
        _write(frame, staged)


def _stage_typed(guard: Guard, plain: Path, kind: str, staged: Path) -> list[str]:
    if kind == "parquet":
        return _stage_parquet(guard, plain, staged)
    frame = file_reading.read(plain, guard.path, Files(f"x.{kind}"), guard.limits)
    names = frame.columns
    _check_width(guard.path, len(names))
    _write(frame, staged)
    return names


def _stage_parquet(guard: Guard, plain: Path, staged: Path) -> list[str]:
    check_footer(plain, guard)
    try:
        lazy = pl.scan_parquet(plain, hive_partitioning=False, glob=False)
        names = lazy.collect_schema().names()
        _check_width(guard.path, len(names))
        lazy.rename({name: f"c{index}" for index, name in enumerate(names)}).sink_parquet(staged)
    except (pl.exceptions.PolarsError, OSError):
        file_reading.read(plain, guard.path, Files("x", format="parquet"), guard.limits)  # it says what is wrong
        raise
    return names


def _write(frame: pl.DataFrame, staged: Path) -> None:
    frame.columns = [f"c{index}" for index in range(frame.width)]
    frame.write_parquet(staged)


def _check_width(path: str, width: int) -> None:
    if width > MOST_COLUMNS:
        raise AuthoringError(
            f"{path} has {width:,} columns, more than a declaration that people read: {MOST_COLUMNS:,}.",
            remedy="Keep those that may matter (duckdb -c \"COPY (SELECT a, b FROM '…') TO 'less.csv'\"), or turn "
            "columns that are one measure at many times into rows.",
        )
    if width < 2:
        raise AuthoringError(
            f"{path} has one column: there is nothing to predict it from.",
            remedy="Are its cells separated by something else than a comma, a semicolon, a tab or a bar?",
        )
