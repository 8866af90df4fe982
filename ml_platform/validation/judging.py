"""Rows against the contract, and the partition each belongs to. No input or output.

Rows are judged as if they were the whole file; `_rule`, `_reason` and `_raw` say why one is refused.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import dataframely as dy
import polars as pl

from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.validation.casting import Cast, Failed, cast
from ml_platform.validation.reasons import quoted_cells, reason
from ml_platform.validation.times import INSTANT

PARTITION, RULE, REASON, RAW = "_partition", "_rule", "_reason", "_raw"
# What pandas and Parquet readers with nanoseconds can still hold; a time outside is a slip or a sentinel.
EARLIEST, LATEST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
RULE_HOLDS = pl.col(RULE).is_null()


@dataclass(frozen=True)
class Judged:
    """Rows against the contract, judged as if they were the whole file.

    kept:    in order of `_row`; `_partition` is that of a row's own time, null where it tells none.
    lost:    rows that are identical to a kept one.
    dropped: the number of rows that `clean` dropped.
    alike:   a hash for each row that is the same for rows with one key; of a table without key, for equal rows.
    """

    kept: pl.DataFrame
    lost: pl.DataFrame
    dropped: int
    alike: pl.Series


def judge(
    table: Table, raw: pl.DataFrame, cleaned: pl.DataFrame, partitions: Partitions | None, made: Cast | None = None
) -> Judged:
    """`raw` has every row of `cleaned`, as it came. `made`: the columns of `cleaned` in the contract's types."""
    types = table.columns
    made = made or Cast(*cast(cleaned, types, table.time_zone, table.key))
    values, failed = made.values, made.failed
    frame = values.with_columns(cleaned[ROW], *(pl.lit(None, pl.String).alias(name) for name in (RULE, REASON)))
    frame = _refuse_unreadable(frame, cleaned, failed)
    frame = _refuse_times(frame, table)
    alike = row_hash(frame, table.key or list(types))
    kept, lost = frame, frame.clear()
    if alike.is_duplicated().any():
        readable = frame.filter(RULE_HOLDS).unique(subset=list(types), keep="first", maintain_order=True)
        kept = pl.concat([readable, frame.filter(~RULE_HOLDS)]).sort(ROW)
        lost = frame.join(kept, on=ROW, how="anti")
        kept = _refuse_keys(kept, table)
    kept = _refuse_by_contract(kept, table)
    kept, lost = _sliced(kept, table, partitions), _sliced(lost, table, partitions)
    refused = kept.filter(~RULE_HOLDS)[ROW]
    if len(refused):
        kept = kept.with_columns(pl.when(RULE_HOLDS).then(pl.col(name)).alias(name) for name in types)
        kept = kept.join(_as_json(raw, refused), on=ROW, how="left", maintain_order="left")
    else:
        kept = kept.with_columns(pl.lit(None, pl.String).alias(RAW))
    return Judged(kept, lost, raw.height - cleaned.height, alike)


def row_hash(frame: pl.DataFrame, columns: Collection[str]) -> pl.Series:
    """A hash for each row that is the same for rows that polars counts as equal in `columns`.

    What is nested counts for nothing, so rows with one hash may differ.
    """
    plain = []
    for name in columns:
        kind, column = frame.schema[name], pl.col(name)
        if kind.is_nested() or kind == pl.Null:
            continue
        if kind == pl.Categorical:
            column = column.cast(pl.String)
        plain.append(column)
    if not plain:
        return pl.Series([0], dtype=pl.UInt64).new_from_index(0, frame.height)
    return frame.select(plain).hash_rows()


def _refuse(frame: pl.DataFrame, where: pl.Series, rule: str, why: pl.Expr) -> pl.DataFrame:
    """Mark rows; the first rule names the row, every reason is told."""
    if not where.any():
        return frame
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
    _, failure = _numbered(table.contract).filter(judged.select(*types, ROW), cast=False)
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


@lru_cache(128)
def _numbered(contract: Any) -> Any:
    """A contract whose rows have `_row`."""
    return type("Numbered", (contract,), {"platform_row_number": dy.Int64(alias=ROW)})


def _sliced(frame: pl.DataFrame, table: Table, partitions: Partitions | None) -> pl.DataFrame:
    """With the `_partition` of each row's own time; null where that is not usable."""
    if partitions is None or table.event_time is None:
        return frame.with_columns(pl.lit(WHOLE).alias(PARTITION))
    time = pl.col(table.event_time).cast(INSTANT)
    usable = time.is_between(EARLIEST, LATEST, closed="left")
    return frame.with_columns(pl.when(usable).then(partitions.key_of(time)).alias(PARTITION))


@dataclass(frozen=True)
class Span:
    """The first and the last partition of a file's valid rows; of all its rows, where none is valid. None: no row."""

    first: str | None
    last: str | None
    has_valid: bool

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Span":
        """The span of rows with `_partition` and `_rule`."""
        valid = frame.filter(RULE_HOLDS)[PARTITION]
        of = valid if len(valid) else frame[PARTITION]
        return cls(of.min(), of.max(), bool(len(valid)))  # type: ignore[arg-type]  # texts


def in_partition(frame: pl.DataFrame, span: Span) -> pl.DataFrame:
    """A refused row without a usable time goes where the file begins, or to "".

    So does one whose time lies outside those of the file's valid rows: its own partition may never be made.
    """
    own = pl.col(PARTITION)
    if span.has_valid:
        stray = ~RULE_HOLDS & ~own.is_between(pl.lit(span.first), pl.lit(span.last))
        frame = frame.with_columns(pl.when(stray).then(pl.lit(span.first)).otherwise(own).alias(PARTITION))
    return frame.with_columns(own.fill_null(span.first or ""))


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
