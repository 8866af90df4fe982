"""One file's raw rows against the contract: what is valid, what is refused and why. No input or output.

The result is one frame: the contract's columns, `_row`, `_partition` ("" when nothing tells it) and,
for refused rows, `_rule`, `_reason` and `_raw` (the row as it came, as JSON) with null columns.
"""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ml_platform import interrupts
from ml_platform.errors import FileRefused, first_line
from ml_platform.sources.column_names import missing_columns
from ml_platform.sources.faults import RAISED
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.validation.casting import Cast
from ml_platform.validation.file_batches import Converted
from ml_platform.validation.judging import PARTITION, Span, in_partition, judge

ColumnsBefore = Callable[[], Collection[str]]


@dataclass
class Screened:
    """`frame` as the module says; identical rows are dropped and counted (S35), as are rows that `clean` dropped."""

    frame: pl.DataFrame
    duplicates: dict[str, int] = field(default_factory=dict)  # by partition
    dropped: int = 0


def screen(
    table: Table,
    raw: pl.DataFrame,
    path: str,
    needs: Mapping[str, pl.DataFrame],
    partitions: Partitions | None,
    before: ColumnsBefore = tuple,
    converted: Converted | None = None,
) -> Screened:
    """Screen the rows of one file; `raw` has `_row`. `before` is asked for an error: the columns of the file before.

    `converted`: what `file_batches` made of the rows, where it was asked before: no `clean`, and no column is missing.

    Raises FileRefused when `clean` fails or its result is not what the contract describes.
    """
    if converted is not None:
        return _judged(table, raw, converted.rows, partitions, converted.cast)
    return _judged(table, raw, rows_to_judge(table, raw, path, needs, before), partitions)


def rows_to_judge(
    table: Table, raw: pl.DataFrame, path: str, needs: Mapping[str, pl.DataFrame], before: ColumnsBefore = tuple
) -> pl.DataFrame:
    """Raw rows with nulls and `clean` applied, which have the contract's columns. Raises FileRefused as `screen`."""
    unknown = [name for name in table.source.named_columns if name not in raw.columns]
    if unknown:
        raise FileRefused(
            path,
            f"column_nulls= names columns that it does not have: {', '.join(unknown)}",
            position="the header",
            remedy="Name the columns of column_nulls as the file does.",
        )
    nulled = table.source.with_nulls(raw)
    cleaned = cleaned_rows(table, nulled, path, needs, before) if raw.height else _nothing(table, nulled)
    missing = [name for name in table.columns if name not in cleaned.columns]
    if missing:
        made_by = "clean's result" if table.clean else "the header"
        raise FileRefused(
            path,
            missing_columns(missing, cleaned.columns),
            position=made_by,
            remedy="Let clean make every column of the contract.",
        )
    return cleaned


def screen_withdrawn(table: Table, partitions: Partitions | None) -> Screened:
    """What is left of a withdrawn file: no rows. It has no header either, so nothing can refuse it."""
    nothing = pl.DataFrame(schema={**table.columns, ROW: pl.Int64()})
    return _judged(table, nothing, nothing, partitions)


def _judged(
    table: Table, raw: pl.DataFrame, cleaned: pl.DataFrame, partitions: Partitions | None, converted: Cast | None = None
) -> Screened:
    judged = judge(table, raw, cleaned, partitions, converted)
    kept = in_partition(judged.kept, Span.of(judged.kept))
    duplicates = {str(key[0]): part.height for key, part in judged.lost.group_by(PARTITION)}
    return Screened(kept.sort(PARTITION, ROW), duplicates, judged.dropped)


def _nothing(table: Table, raw: pl.DataFrame) -> pl.DataFrame:
    """A file without rows has nothing to clean, and clean need not be ready for that."""
    if table.clean is None:
        return raw
    return pl.DataFrame(schema={**table.columns, ROW: pl.Int64()})


def cleaned_rows(
    table: Table, raw: pl.DataFrame, path: str, needs: Mapping[str, pl.DataFrame], before: ColumnsBefore = tuple
) -> pl.DataFrame:
    """What `clean` makes of raw rows, in order of `_row`; the rows themselves without `clean`. Raises FileRefused."""
    if table.clean is None:
        return raw
    name = getattr(table.clean, "__name__", "clean")
    try:
        cleaned = table.clean(raw, **needs)
        if isinstance(cleaned, pl.LazyFrame):
            cleaned = cleaned.collect()
    except RAISED as error:  # whatever the user's function raises is about this file; the others go on
        interrupts.stop_if_arrived()
        problem = f"{name} raised {type(error).__name__}: {first_line(error)}{_moved_columns(raw.columns, before())}"
        raise FileRefused(
            path, problem, position=_line_of(error), remedy=f"Mend {name} or the file; it is screened again by itself."
        ) from error
    remedy = f"{name} works row by row: it keeps {ROW!r}, may drop rows, and makes none."
    if not isinstance(cleaned, pl.DataFrame):
        raise FileRefused(path, f"{name} returned {type(cleaned).__name__}, not a polars frame", remedy=remedy)
    if ROW not in cleaned.columns:
        raise FileRefused(path, f"{name} dropped the column {ROW!r}", remedy=remedy)
    rows = cleaned[ROW]
    if rows.dtype != raw[ROW].dtype or rows.null_count() or not rows.is_in(raw[ROW].implode()).all():
        raise FileRefused(path, f"{name} changed the column {ROW!r}", remedy=remedy)
    if rows.n_unique() < len(rows):
        twice = int(rows.filter(rows.is_duplicated())[0])
        raise FileRefused(
            path,
            f"{name} returned row {twice} more than once: does a join in it multiply rows?",
            position=f"row {twice:,}",
            remedy=remedy,
        )
    return cleaned.sort(ROW)


def _moved_columns(columns: Collection[str], before: Collection[str]) -> str:
    """Which columns of the file before are gone, and which are new; empty when they are the same."""
    gone = [name for name in before if name not in columns]
    new = [name for name in columns if name not in before and name != ROW] if before else []
    parts = [
        f"{word} since the file before: {', '.join(names)}" for word, names in (("gone", gone), ("new", new)) if names
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _line_of(error: BaseException) -> str:
    """The user's own line that raised, as file and line number."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if len(frames) > 1 else ""
