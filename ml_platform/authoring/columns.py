"""The facts about one column of a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ml_platform.authoring.kinds import Reading
from ml_platform.errors import UnfitArgument, did_you_mean

LEVELS = 30  # texts that are listed; of more, how many there are
SAMPLE = 20_000  # rows that are compared with the target
NUMBERS, TIMES = ("integer", "number"), ("date", "moment")


@dataclass(frozen=True, eq=False)
class Column:
    """The facts about one column.

    name:    in the file; `clean` as the declaration calls it.
    reading: its kind and how it is written; kind `empty` holds no value, `other` is nested or binary.
    none:    the texts that the declaration must name as no value of this column; None where the source's own do.
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
    mark: int
    sample: pl.Series = field(repr=False)
    none: tuple[str, ...] | None = None
    padded: bool = False
    naive: bool = False
    nans: bool = False

    @property
    def kind(self) -> str:
        return self.reading.kind

    @property
    def unique(self) -> bool:
        """Whether each row has a different value."""
        return self.nulls == 0 and self.distinct == self.rows


def column(index: int, name: str, clean: str, reading: Reading, values: pl.Series) -> Column:
    """The facts about typed `values`."""
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
        nulls=values.null_count(),
        distinct=counts.height,
        low=measured.min() if len(filled) else None,
        high=measured.max() if len(filled) else None,
        categories=tuple(counts["value"]) if few else (),
        category_rows=tuple(counts["n"]) if few else (),
        common=str(counts["value"][0]) if len(filled) else "",
        mark=_mark(values),
        sample=values.gather_every(-(-len(values) // SAMPLE) or 1),
    )


def unread(index: int, name: str, clean: str, values: pl.Series) -> Column:
    """A column that is nested, binary or a time of day: of its values only the gaps count."""
    facts = column(index, name, clean, Reading("other"), values.is_null())
    return Column(**{**vars(facts), "nulls": values.null_count()})


def unknown_column(flag: str, name: str, names: Sequence[str]) -> UnfitArgument:
    """The refusal of a column that a flag names and the file does not have; `names`: those that it has."""
    remedy = f"{did_you_mean(name, names)} Its columns: {', '.join(names[:50])}."
    return UnfitArgument(f"{flag} names {name!r}, which the file does not have.", remedy=remedy.strip())


def _mark(values: pl.Series) -> int:
    if values.dtype.is_nested() or values.dtype == pl.Null:
        return 0
    odd = pl.int_range(len(values), dtype=pl.UInt64, eager=True) * 2 + 1
    return int((values.hash(seed=1) * odd).sum())
