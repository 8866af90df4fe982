"""A profile of each partition of a validated table, as rows: types, nulls, ranges, quantiles, categories, times."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl

from ml_platform.lake.transaction import Transaction
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.quality.value_counts import ValueCounts, text_counts, value_counts
from ml_platform.spec.partitions import WHOLE

PROFILE_VERSION = 2  # raise it when the profile of equal rows changes; `history` renews older ones
LEVELS = 200  # with more texts than this, only those of at least 1/200 of the rows are counted
FORMED = 20_000  # texts whose form is read; of more, evenly drawn ones
_AT_ONCE = 1_000_000  # values of a column that are looked at together
DAYS = 1000  # longer spans are not counted by day
_QUANTILES = {"q01": 0.01, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q99": 0.99}
_SCHEMA = {
    "table_name": pl.String,
    "partition": pl.String,
    "column_name": pl.String,
    "type": pl.String,
    "rows": pl.Int64,
    "nulls": pl.Int64,
    "distinct": pl.Int64,
    "min": pl.String,
    "max": pl.String,
    "mean": pl.Float64,
    "std": pl.Float64,
    **dict.fromkeys(_QUANTILES, pl.Float64),
    "levels": pl.String,
    "forms": pl.String,
    "content_key": pl.String,
    "version": pl.Int64,
    "nans": pl.Int64,
    "most_common": pl.Int64,
    "hours": pl.String,
    "days": pl.String,
}


def profile(
    columns: Iterable[ColumnParts], table: str, partition: str, content_key: str, event_time: str | None = None
) -> pl.DataFrame:
    """One row for each column, of which one at a time is held, and of texts a part of one.

    Quantiles are of the finite values, by linear interpolation.

    most_common: rows of the most frequent value.
    levels:      JSON, category → count.
    forms:       JSON, how a text is written → share of the rows, where there are more than LEVELS texts.
    hours:       JSON, 24 counts of the values by hour of the day (UTC).
    days:        JSON, date → count, of the event time only.
    """
    about = {"table_name": table, "partition": partition, "content_key": content_key, "version": PROFILE_VERSION}
    rows = []
    for column in columns:
        facts = _of_texts(column) if column.dtype == pl.String else _one(column.whole(), column.name == event_time)
        rows.append({**about, "column_name": column.name, **facts})
    return pl.DataFrame(rows, schema=_SCHEMA)


def _of_texts(column: ColumnParts) -> dict[str, Any]:
    rows = nulls = 0
    ends: list[Any] = []
    for part in column.parts():
        rows, nulls = rows + len(part), nulls + part.null_count()
        ends += [part.min(), part.max()]
    counts = text_counts(column.parts, rows - nulls, LEVELS)
    facts: dict[str, Any] = {"type": str(column.dtype), "rows": rows, "nulls": nulls}
    facts |= {"distinct": counts.distinct, "most_common": counts.most_common, "levels": _levels(counts)}
    if rows > nulls:
        texts = pl.Series(ends, dtype=pl.String)
        facts["min"], facts["max"] = _text(texts.min()), _text(texts.max())
    if counts.distinct > LEVELS:
        facts["forms"] = json.dumps(_forms(_drawn(column, rows - nulls)))
    return facts


def _one(column: pl.Series, by_day: bool) -> dict[str, Any]:  # private, and called once
    kind = column.dtype
    facts: dict[str, Any] = {"type": str(kind), "rows": len(column), "nulls": column.null_count()}
    if kind.is_nested() or kind in (pl.Binary, pl.Null):
        return facts
    values = column.drop_nulls()
    ordered = values.sort() if kind.is_numeric() or kind.is_temporal() else values
    counts = value_counts(ordered, LEVELS)
    facts["distinct"], facts["most_common"] = counts.distinct, counts.most_common
    if kind.is_float():
        facts["nans"] = int(values.is_nan().sum())
        finite = values.is_finite()
        if not finite.all():
            values, ordered = values.filter(finite), ordered.filter(ordered.is_finite())
    if len(values):
        facts["min"], facts["max"] = _text(_unsigned(values.min())), _text(_unsigned(values.max()))
    if kind.is_numeric() and len(values):
        facts |= {name: _unsigned(quantile(ordered, share)) for name, share in _QUANTILES.items()}
    del ordered  # as large as the column
    if kind.is_numeric() and len(values):
        numbers = _as_floats(values)
        facts["mean"], facts["std"] = _unsigned(numbers.mean()), numbers.std()
        del numbers
    if _has_levels(kind, counts.distinct):
        facts["levels"] = _levels(counts)
    if kind == pl.Datetime:
        hours = _tally(values, lambda some: some.dt.hour())
        facts["hours"] = json.dumps([hours.get(hour, 0) for hour in range(24)])
    if by_day:
        days = _tally(values, lambda some: some.dt.date())
        if len(days) <= DAYS:
            facts["days"] = json.dumps({f"{day:%Y-%m-%d}": count for day, count in sorted(days.items())})
    return facts


def _as_floats(values: pl.Series) -> pl.Series:
    """In one piece, because a sum of parts has other last digits; nothing else is held beside it."""
    floats = np.empty(len(values), dtype=np.float64)
    for start in range(0, len(values), _AT_ONCE):
        part = values.slice(start, _AT_ONCE)
        floats[start : start + len(part)] = part.cast(pl.Float64).to_numpy()
    return pl.Series(floats)


def _tally(values: pl.Series, what: Callable[[pl.Series], pl.Series]) -> Counter[Any]:
    """How often each result of `what` comes, some values at a time."""
    tally: Counter[Any] = Counter()
    for start in range(0, len(values), _AT_ONCE):
        results = what(values.slice(start, _AT_ONCE)).alias("result")
        tally.update(dict(results.value_counts(name="n").iter_rows()))
    return tally


def quantile(ordered: pl.Series, share: float) -> float | None:
    """`ordered.cast(pl.Float64).quantile(share, "linear")` of numbers in order, without another column of floats.

    >>> quantile(pl.Series([1, 2, 4]), 0.75)
    3.0
    """
    position = (len(ordered) - 1) * share
    below = int(position)
    return ordered.slice(below, 2).cast(pl.Float64).quantile(position - below, "linear")


def _levels(counts: ValueCounts) -> str:
    top = counts.frequent.select(pl.col("value").cast(pl.String), "n").sort(["n", "value"], descending=[True, False])
    return json.dumps({str(level)[:200]: count for level, count in top.iter_rows()}, ensure_ascii=False)


def _drawn(column: ColumnParts, count: int) -> pl.Series:
    """At most FORMED of the `count` texts, evenly drawn from all parts."""
    step, before, drawn = count // FORMED + 1, 0, []
    for part in column.parts():
        values = part.drop_nulls()
        drawn.append(values.gather_every(step, -before % step))
        before += len(values)
    return pl.concat(drawn)


def _forms(texts: pl.Series) -> dict[str, float]:
    """The share of the texts by how they are written, N104UW as A9A: for codes too many to be counted."""
    some = texts.alias("form").to_frame()
    form = pl.col("form").str.slice(0, 40)
    for letters, one in ((r"\p{Lu}+", "A"), (r"\p{Ll}+", "a"), (r"\d+", "9")):
        form = form.str.replace_all(letters, one)
    shares = some.group_by(form).agg(pl.len() / some.height)
    often = shares.filter(pl.col("len") * LEVELS >= 1).sort(["len", "form"], descending=[True, False])
    return {form: round(share, 6) for form, share in often.iter_rows()}


def _has_levels(kind: pl.DataType, distinct: int) -> bool:
    """Whether values are counted as categories, as texts are: Booleans and flags of 0 and 1.

    Quantiles describe other numbers.
    """
    if kind in (pl.Boolean, pl.Categorical) or isinstance(kind, pl.Enum):
        return True
    return kind.is_integer() and distinct <= 2


def _unsigned(value: Any) -> Any:
    """A value, but 0.0 for -0.0: which of both is the least depends on the order of the rows."""
    return 0.0 if value == 0.0 and isinstance(value, float) else value


def _text(value: Any) -> str:
    return str(value)[:200]


def write_profile(tx: Transaction, table: str, partition: str, rows: pl.DataFrame) -> None:
    """Replace the partition's last profile, if there is one.

    The lake itself is asked whether there is one: a process that died after its commit left a profile that no record
    mentions (S43). A table without partitions keeps the profiles of its earlier contents as its history.
    """
    if tx.lake.has("platform", "profiles"):
        same = "table_name = ? AND partition = ?"
        parameters = [table, partition]
        if partition == WHOLE and rows.height:
            same += " AND content_key = ?"
            parameters.append(rows["content_key"][0])
        tx.execute(f"DELETE FROM platform.profiles WHERE {same}", parameters)
    if rows.height:
        tx.append("platform", "profiles", rows, evolve=True)
