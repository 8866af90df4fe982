"""Inspects the columns of an opened file, one in memory at a time."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from ml_platform.authoring import null_texts
from ml_platform.authoring.columns import NUMBERS, TIMES, Column, column, unknown_column, unread
from ml_platform.authoring.dialect import no_header
from ml_platform.authoring.identifiers import column_names
from ml_platform.authoring.kinds import Hints, Reading, read, read_numbers
from ml_platform.authoring.opened import Opened
from ml_platform.authoring.styles import converted
from ml_platform.errors import AuthoringError

_NAMES = {pl.Boolean: "boolean", pl.Int64: "integer", pl.Float64: "number", pl.Date: "date", pl.Null: "empty"}
_LEAST_TIME = 20_000  # numbers below are no times, not even the days of a workbook


@dataclass(frozen=True)
class Answers:
    """What the user says about the file.

    drop:    columns to leave out.
    dates:   "dmy" or "mdy", where both would fit.
    decimal: "point" or "comma", where both would fit.
    times:   columns that hold times, even if they look like numbers.
    """

    drop: Collection[str] = ()
    dates: str | None = None
    decimal: str | None = None
    times: Collection[str] = ()


def look(opened: Opened, answers: Answers = Answers()) -> list[Column]:  # frozen
    """The columns of the file, except those to drop.

    Where a number has one mark with three digits after it, the other columns say which mark is the decimal one, if all
    that show one agree. Raises AuthoringError for a column whose dates or numbers cannot be read in one way.
    """
    unknown = sorted(set(answers.drop) - set(opened.names))
    if unknown:
        raise unknown_column("--drop", unknown[0], opened.names)
    named = enumerate(zip(opened.names, column_names(opened.names), strict=True))
    wanted = [(index, name, clean) for index, (name, clean) in named if name not in answers.drop]
    hints = Hints(answers.dates, answers.decimal or "", opened.separator == ";", typed=opened.format != "csv")
    columns = []
    for index, name, clean in wanted:
        timed = bool({name, clean} & set(answers.times))
        columns.append(_one(opened, index, name, clean, replace(hints, timed=timed)))
    _check_names(opened, columns)
    marks = {one.reading.mark for one in columns} - {""}
    if len(marks) == 1 and not answers.decimal:
        hints = replace(hints, decimal=marks.pop())
        columns = [_one(opened, c.index, c.name, c.clean, hints) if c.reading.doubtful else c for c in columns]
    return columns


def _check_names(opened: Opened, columns: list[Column]) -> None:
    """Raise FileRefused when at least half of the text columns hold their own name as a value."""
    words = [one for one in columns if one.kind == "text" and one.categories]
    own = [one.name for one in words if one.name.strip() in one.categories]
    if opened.format == "csv" and own and 2 * len(own) >= len(words):
        raise no_header(opened.path, own, opened.separator, len(opened.names))


def _one(opened: Opened, index: int, name: str, clean: str, hints: Hints) -> Column:
    values = opened.column(index)
    kind = values.dtype
    if kind == pl.String:
        return _of_text(opened, index, name, clean, hints, values)
    if kind.is_nested() or kind in (pl.Binary, pl.Time, pl.Duration, pl.Object):
        return unread(index, name, clean, values)
    nans = False
    if kind.is_decimal() or kind.is_float():
        values = values.cast(pl.Float64)
        nans = bool(values.is_nan().any())
        values = values.fill_nan(None)
    elif kind.is_integer():
        whole = values.cast(pl.Int64, strict=False)
        if whole.null_count() > values.null_count():
            reading = Reading("text", remarks=("whole numbers beyond 2^63 are kept as text",))
            return column(index, name, clean, reading, values.cast(pl.String))
        values = whole
    reading = Reading(_NAMES.get(type(values.dtype), "moment"))
    if reading.kind in NUMBERS and (values.max() or 0) >= _LEAST_TIME:  # type: ignore[operator]  # a number
        return _of_numbers(index, name, clean, hints, values, reading.kind, nans=nans)
    is_naive = kind == pl.Date or (isinstance(kind, pl.Datetime) and kind.time_zone is None)
    if isinstance(kind, pl.Datetime):
        values = values.dt.replace_time_zone("UTC") if is_naive else values.dt.convert_time_zone("UTC")
    return replace(column(index, name, clean, reading, values), naive=is_naive, nans=nans)


def _of_numbers(index: int, name: str, clean: str, hints: Hints, values: pl.Series, kind: str, *, nans: bool) -> Column:
    """A column of numbers that may be times, such as milliseconds since 1970."""
    texts = values.cast(pl.String)
    counts = texts.drop_nulls().alias("text").value_counts(sort=True, name="n")
    reading = read_numbers(counts["text"], counts["n"], kind, clean, timed=hints.timed)
    if reading.kind not in TIMES:
        return replace(column(index, name, clean, reading, values), nans=nans)
    facts = column(index, name, clean, reading, converted(texts, reading.kind, reading.style))
    return replace(facts, nans=nans, naive=reading.style.naive(counts["text"]))


def _of_text(opened: Opened, index: int, name: str, clean: str, hints: Hints, raw: pl.Series) -> Column:
    csv = opened.format == "csv"
    stripped = raw.str.strip_chars()
    padded = bool((stripped != raw).any())
    counts = (
        stripped.filter(stripped != "")
        .alias("text")
        .value_counts(name="n")
        .sort(["n", "text"], descending=[True, False])
    )
    texts = counts["text"]
    reading = read(texts, counts["n"], clean, hints) if len(texts) else Reading("empty")
    if reading.problem is not None:
        problem, remedy = reading.problem
        raise AuthoringError(f"{opened.path}, column {name!r}: {problem}.", remedy=remedy)
    none = null_texts.meaning_none(texts, reading.kind, reading.tokens, csv=csv)
    if remark := null_texts.remark(texts, counts["n"], reading.kind, none):
        reading = replace(reading, remarks=(*reading.remarks, remark))
    values = pl.select(pl.when(~stripped.is_in(["", *none])).then(stripped if padded else raw)).to_series()
    if not values.count():
        reading = replace(reading, kind="empty")
    kept = texts.filter(~texts.is_in(none))
    typed = converted(kept, reading.kind, reading.style) if reading.kind not in ("text", "empty") else kept
    readable = kept.filter(typed.is_not_null())
    if reading.kind not in ("text", "empty"):
        pairs = pl.DataFrame({"text": kept, "typed": typed})
        stripped_values = values.str.strip_chars().alias("text").to_frame()
        values = stripped_values.join(pairs, on="text", how="left", maintain_order="left")["typed"]
    facts = column(index, name, clean, reading, values)
    spelled = raw.filter(stripped.is_in(none) | (raw == "")).unique().to_list()
    return replace(
        facts,
        none=null_texts.to_declare(spelled, texts, reading.kind, none, csv=csv),
        common=str(readable[0]) if len(readable) else "",
        padded=padded,
        naive=reading.kind in TIMES and reading.style.naive(readable),
    )
