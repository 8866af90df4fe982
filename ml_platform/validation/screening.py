"""One file's raw rows against the contract: what is valid, what is refused and why. No input or output.

The result is one frame: the contract's columns, `_row`, `_partition` ("" when nothing tells it) and,
for refused rows, `_rule`, `_reason` and `_raw` (the row as it came, as JSON) with null columns.
"""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from ml_platform import interrupts
from ml_platform.errors import FileRefused, first_line
from ml_platform.sources.column_names import missing_columns
from ml_platform.sources.faults import RAISED
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.validation.casting import Cast, Failed, cast
from ml_platform.validation.file_batches import Converted
from ml_platform.validation.reasons import quoted_cells, reason
from ml_platform.validation.times import INSTANT

PARTITION, RULE, REASON, RAW = "_partition", "_rule", "_reason", "_raw"
# What pandas and Parquet readers with nanoseconds can still hold; a time outside is a slip or a sentinel.
EARLIEST, LATEST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)


ColumnsBefore = Callable[[], Collection[str]]
RULE_HOLDS = pl.col(RULE).is_null()


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

    `converted`: what `file_batches` made of the rows, where it was asked before.

    Raises FileRefused when `clean` fails or its result is not what the contract describes.
    """
    unknown = [name for name in table.source.named_columns if name not in raw.columns]
    if unknown:
        raise FileRefused(
            path,
            f"column_nulls= names columns that it does not have: {', '.join(unknown)}",
            position="the header",
            remedy="Name the columns of column_nulls as the file does.",
        )
    nulled = table.source.with_nulls(raw) if converted is None else converted.rows
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
    return _judged(table, raw, cleaned, partitions, None if converted is None else converted.cast)


def screen_withdrawn(table: Table, partitions: Partitions | None) -> Screened:
    """What is left of a withdrawn file: no rows. It has no header either, so nothing can refuse it."""
    nothing = pl.DataFrame(schema={**table.columns, ROW: pl.Int64()})
    return _judged(table, nothing, nothing, partitions)


def _judged(
    table: Table, raw: pl.DataFrame, cleaned: pl.DataFrame, partitions: Partitions | None, made: Cast | None = None
) -> Screened:
    types = table.columns
    made = made or Cast(*cast(cleaned, types, table.time_zone, table.key))
    values, failed = made.values, made.failed
    frame = values.with_columns(cleaned[ROW], *(pl.lit(None, pl.String).alias(name) for name in (RULE, REASON)))
    frame = _refuse_unreadable(frame, cleaned, failed)
    frame = _refuse_times(frame, table)
    readable = frame.filter(RULE_HOLDS).unique(subset=list(types), keep="first", maintain_order=True)
    kept = pl.concat([readable, frame.filter(~RULE_HOLDS)]).sort(ROW)
    lost = frame.join(kept, on=ROW, how="anti")
    kept = _refuse_keys(kept, table)
    kept = _refuse_by_contract(kept, table)
    kept = _sliced(kept, table, partitions)
    lost = _sliced(lost, table, partitions)
    kept = kept.with_columns(pl.when(RULE_HOLDS).then(pl.col(name)).alias(name) for name in types)
    kept = kept.join(_as_json(raw, kept.filter(~RULE_HOLDS)[ROW]), on=ROW, how="left", maintain_order="left")
    duplicates = {str(key[0]): part.height for key, part in lost.group_by(PARTITION)}
    return Screened(kept.sort(PARTITION, ROW), duplicates, raw.height - cleaned.height)


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


def _refuse(frame: pl.DataFrame, where: pl.Series, rule: str, why: pl.Expr) -> pl.DataFrame:
    """Mark rows; the first rule names the row, every reason is told."""
    joined = pl.when(pl.col(REASON).is_null()).then(why).otherwise(pl.concat_str(REASON, why, separator="; "))
    mark = pl.lit(where)
    return frame.with_columns(
        pl.when(mark).then(pl.coalesce(RULE, pl.lit(rule))).otherwise(pl.col(RULE)).alias(RULE),
        pl.when(mark).then(joined).otherwise(pl.col(REASON)).alias(REASON),
    )


def _refuse_unreadable(frame: pl.DataFrame, cleaned: pl.DataFrame, failed: list[Failed]) -> pl.DataFrame:
    for item in failed:
        cells = cleaned[item.column].filter(item.where)
        try:
            cells = cells.cast(pl.String, strict=False)
        except pl.exceptions.PolarsError:
            cells = pl.Series([str(cell) for cell in cells])
        quoted = pl.lit(quoted_cells(cells))
        sentences = pl.select(pl.concat_str(pl.lit(f"{item.column} is "), quoted, pl.lit(f", which {item.sentence}")))
        at = pl.DataFrame({ROW: frame[ROW].filter(item.where), "why": sentences.to_series()})
        joined = frame.select(ROW).join(at, on=ROW, how="left", maintain_order="left")["why"]
        frame = _refuse(frame, item.where, item.rule, pl.lit(joined))
    return frame


def _refuse_times(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Null event_time (S2), and times so far off that nothing downstream can hold them."""
    name = table.event_time
    if name is None:
        return frame
    fine = frame[RULE].is_null()
    missing = fine & frame[name].is_null()
    frame = _refuse(frame, missing, f"{name}|nullability", pl.lit(f"{name} is missing, and it is the event_time"))
    far = fine & ((frame[name] < EARLIEST) | (frame[name] >= LATEST)).fill_null(False)
    outside = f", which is outside the years {EARLIEST.year} to {LATEST.year - 1}"
    why = pl.concat_str(pl.lit(f"{name} is "), pl.col(name).cast(pl.String), pl.lit(outside))
    return _refuse(frame, far, f"{name}|range", why)


def _refuse_keys(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The same key with other content within the file: all of them (S35)."""
    if not table.key:
        return frame
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in table.key)
    clash = frame.select(whole & (pl.len().over(*table.key) > 1)).to_series()
    if not clash.any():
        return frame
    rows = pl.col(ROW).over(*table.key, mapping_strategy="join").list.head(5).cast(pl.List(pl.String)).list.join(", ")
    clashes = f"the key ({', '.join(table.key)}) comes with other content in the same file, rows "
    return _refuse(frame, clash, "primary_key", pl.concat_str(pl.lit(clashes), rows))


def _refuse_by_contract(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """What the dataframely contract says about the rows that could be read."""
    types = table.columns
    judged = frame.filter(RULE_HOLDS)
    numbered: Any = type("Numbered", (table.contract,), {"platform_row_number": dy.Int64(alias=ROW)})
    _, failure = numbered.filter(judged.select(*types, ROW), cast=False)
    counts = failure.counts()
    if not counts:
        return frame
    # NaN is above every maximum: its own rule says it better.
    order = sorted(counts, key=lambda rule: (not rule.endswith(("|nullability", "|nan", "|inf")), "|" not in rule))
    details = failure.details()
    for rule in order:
        broken = details.filter(pl.col(rule) == "invalid").select(ROW, reason(table.contract, rule, types).alias("why"))
        joined = frame.select(ROW).join(broken, on=ROW, how="left", maintain_order="left")["why"]
        frame = _refuse(frame, joined.is_not_null(), rule, pl.lit(joined))
    return frame


def _sliced(frame: pl.DataFrame, table: Table, partitions: Partitions | None) -> pl.DataFrame:
    """With `_partition`; a refused row without a usable time goes where the file begins, or to "".

    So does one whose time lies outside those of the file's valid rows: its own partition may never be made.
    """
    if partitions is None or table.event_time is None:
        return frame.with_columns(pl.lit(WHOLE).alias(PARTITION))
    time = pl.col(table.event_time).cast(INSTANT)
    usable = time.is_between(EARLIEST, LATEST, closed="left")
    sliced = frame.with_columns(pl.when(usable).then(partitions.key_of(time)).alias(PARTITION))
    valid = pl.col(PARTITION).filter(RULE_HOLDS)
    stray = ~RULE_HOLDS & ~pl.col(PARTITION).is_between(valid.min(), valid.max())
    sliced = sliced.with_columns(pl.when(stray).then(valid.min()).otherwise(PARTITION).alias(PARTITION))
    return sliced.with_columns(pl.col(PARTITION).fill_null(pl.col(PARTITION).min()).fill_null(""))


def _as_json(raw: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """`_row` and the row as it came, as one JSON text."""
    return as_json(raw.join(rows.to_frame(), on=ROW, how="semi", maintain_order="left"))


def as_json(raw: pl.DataFrame) -> pl.DataFrame:
    """Each row's columns but `_row` as one JSON text; what JSON cannot say (bytes, infinities) as text."""
    plain = raw.drop(ROW)
    casts: list[pl.Series] = []
    for column in (one.alias("column") for one in plain):  # polars reads a name such as "*" as a pattern
        kind = column.dtype
        if kind == pl.Binary:
            casts.append(column.bin.encode("hex"))
        elif kind.is_float() and not column.is_finite().fill_null(True).all():
            casts.append(column.cast(pl.String))
        elif kind.is_nested() and "Binary" in str(kind):
            casts.append(pl.Series(column.name, [None if v is None else str(v) for v in column], dtype=pl.String))
        elif kind.is_decimal():
            casts.append(column.cast(pl.String))
        elif isinstance(kind, pl.Duration):
            casts.append(column.dt.to_string())
        else:
            casts.append(column)
    if not casts:
        return raw.select(ROW, pl.lit("{}").alias(RAW))
    named = [column.alias(name) for name, column in zip(plain.columns, casts, strict=True)]
    packed = pl.DataFrame(named).select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return raw.select(ROW).with_columns(packed.alias(RAW))
