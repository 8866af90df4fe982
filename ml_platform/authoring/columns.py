"""Inspects the columns of an opened file, one in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from ml_platform.authoring.dialect import no_header
from ml_platform.authoring.identifiers import column_names
from ml_platform.authoring.kinds import NULLS, TOKENS, Reading, converted, naive, read
from ml_platform.authoring.opened import Opened
from ml_platform.errors import AuthoringError

LEVELS = 30  # texts that are listed; of more, how many there are
SAMPLE = 20_000  # rows that are compared with the target
NUMBERS, TIMES = ("integer", "number"), ("date", "moment")


@dataclass(frozen=True, eq=False)
class Column:
    """The facts about one column.

    name:    in the file; `clean` as the declaration calls it.
    reading: its kind and how it is written; kind `empty` holds no value, `other` is nested or binary.
    low, high: the smallest and greatest value; of a text its shortest and longest length in bytes.
    categories:  the values, most frequent first, where there are no more than LEVELS.
    common:  the most frequent value, as the file writes it.
    padded:  some texts have blanks around them.
    naive:   times without an offset from UTC.
    nans:    some numbers of a typed file are NaN, counted as null here.
    mark:    equal for columns with equal values in equal rows, and different otherwise but for chance.
    sample:  typed values of evenly spread rows, the same rows for all columns.
    """

    index: int
    name: str
    clean: str
    reading: Reading
    rows: int
    nulls: int
    distinct: int
    low: Any
    high: Any
    categories: tuple[Any, ...]
    category_rows: tuple[int, ...]
    common: str
    padded: bool
    naive: bool
    nans: bool
    mark: int
    sample: pl.Series = field(repr=False)

    @property
    def kind(self) -> str:
        return self.reading.kind

    @property
    def unique(self) -> bool:
        """Whether each row has a different value."""
        return self.nulls == 0 and self.distinct == self.rows


def look(opened: Opened, *, drop: tuple[str, ...] = (), dates: str | None = None) -> list[Column]:
    """The columns of the file, except those named in `drop`.

    Raises AuthoringError for a column whose dates or numbers are written in more than one way.
    """
    unknown = sorted(set(drop) - set(opened.names))
    if unknown:
        raise AuthoringError(
            f"--drop names {', '.join(map(repr, unknown))}, which {opened.path} does not have.",
            remedy=f"Its columns: {', '.join(opened.names[:50])}.",
        )
    columns = list(_looked(opened, drop, dates, NULLS))
    _check_names(opened, columns)
    tokens = sorted({token for column in columns for token in column.reading.tokens})
    if tokens:  # they mean no value in the whole file, so also among the categories of a text
        every = (*NULLS, *tokens)
        columns = [
            _one(opened, c.index, c.name, c.clean, dates, every) if c.kind == "text" and _holds(c, tokens) else c
            for c in columns
        ]
    return columns


def _check_names(opened: Opened, columns: list[Column]) -> None:
    """Raise FileRefused when at least half of the text columns hold their own name as a value."""
    words = [column for column in columns if column.kind == "text" and column.categories]
    own = [column.name for column in words if column.name.strip() in column.categories]
    if opened.format == "csv" and own and 2 * len(own) >= len(words):
        raise no_header(opened.path, own, opened.separator, len(opened.names))


def _holds(column: Column, tokens: list[str]) -> bool:
    return not column.categories or any(category in tokens for category in column.categories)


def _looked(opened: Opened, drop: tuple[str, ...], dates: str | None, nulls: tuple[str, ...]) -> Iterator[Column]:
    for index, (name, clean) in enumerate(zip(opened.names, column_names(opened.names), strict=True)):
        if name not in drop:
            yield _one(opened, index, name, clean, dates, nulls)


def _one(opened: Opened, index: int, name: str, clean: str, dates: str | None, nulls: tuple[str, ...]) -> Column:
    values = opened.column(index)
    kind = values.dtype
    padded = False
    if kind == pl.String:
        stripped = values.str.strip_chars()
        padded = bool((stripped != values).any())
        none = nulls if opened.format == "csv" else ("",)
        # A null is matched before blanks are stripped, as the ingest does.
        values = pl.select(
            pl.when(~values.is_in(none) & (stripped != "")).then(stripped if padded else values).alias(name)
        ).to_series()
        return _of_text(opened, index, name, clean, dates, values, padded)
    if kind.is_nested() or kind in (pl.Binary, pl.Time, pl.Duration, pl.Object):
        return _column(index, name, clean, Reading("other"), values.is_null(), values.null_count())
    nans = False
    if kind.is_decimal() or kind.is_float():
        values = values.cast(pl.Float64)
        nans = bool(values.is_nan().any())
        values = values.fill_nan(None)
    elif kind.is_integer():
        values = values.cast(pl.Int64)
    is_naive = kind == pl.Date or (isinstance(kind, pl.Datetime) and kind.time_zone is None)
    if isinstance(kind, pl.Datetime):
        values = values.dt.replace_time_zone("UTC") if is_naive else values.dt.convert_time_zone("UTC")
    names = {pl.Boolean: "boolean", pl.Int64: "integer", pl.Float64: "number", pl.Date: "date", pl.Null: "empty"}
    reading = Reading(names.get(type(values.dtype), "moment"))
    return _column(index, name, clean, reading, values, values.null_count(), naive=is_naive, nans=nans)


def _of_text(
    opened: Opened, index: int, name: str, clean: str, dates: str | None, values: pl.Series, padded: bool
) -> Column:
    counts = values.drop_nulls().alias("text").value_counts(sort=True, name="n")
    texts = counts["text"]
    if not len(texts):
        return _column(index, name, clean, Reading("empty"), values, len(values))
    reading = read(texts, counts["n"], name, dates=dates, semicolons=opened.separator == ";")
    if opened.format != "csv" and reading.kind != "text":
        reading = Reading("text")  # a typed file says itself what is a number
    if reading.problem is not None:
        problem, remedy = reading.problem
        raise AuthoringError(f"{opened.path}, column {name!r}: {problem}.", remedy=remedy)
    typed = converted(texts, reading.kind, reading.style)
    readable = texts.filter(typed.is_not_null())
    if reading.kind != "text":
        pairs = pl.DataFrame({"text": texts, "typed": typed})
        values = pl.DataFrame({"text": values}).join(pairs, on="text", how="left", maintain_order="left")["typed"]
    column = _column(index, name, clean, reading, values, values.null_count(), padded=padded)
    return replace(column, common=str(readable[0]), naive=naive(readable, reading.kind, reading.style))


def _column(
    index: int,
    name: str,
    clean: str,
    reading: Reading,
    values: pl.Series,
    nulls: int,
    *,
    padded: bool = False,
    naive: bool = False,
    nans: bool = False,
) -> Column:
    values = values.alias(clean)
    filled = values.drop_nulls()
    counts = filled.alias("value").value_counts(name="n").sort(["n", "value"], descending=[True, False])
    few = counts.height <= LEVELS
    measured = filled.str.len_bytes() if values.dtype == pl.String else filled  # as a contract's max_length counts
    return Column(
        index=index,
        name=name,
        clean=clean,
        reading=reading,
        rows=len(values),
        nulls=nulls,
        distinct=counts.height,
        low=measured.min() if len(filled) else None,
        high=measured.max() if len(filled) else None,
        categories=tuple(counts["value"]) if few else (),
        category_rows=tuple(counts["n"]) if few else (),
        common=str(counts["value"][0]) if len(filled) else "",
        padded=padded,
        naive=naive,
        nans=nans,
        mark=_mark(values),
        sample=values.gather_every(-(-len(values) // SAMPLE) or 1),
    )


def _mark(values: pl.Series) -> int:
    if values.dtype.is_nested() or values.dtype == pl.Null:
        return 0
    odd = pl.int_range(len(values), dtype=pl.UInt64, eager=True) * 2 + 1
    return int((values.hash(seed=1) * odd).sum())


def tokens_of(columns: list[Column]) -> tuple[str, ...]:
    """The texts that mean null in this file, besides "" and "NA"."""
    used = {token for column in columns for token in column.reading.tokens}
    return tuple(token for token in TOKENS if token in used)
