"""What a conversion of a column gives: values, and under which rule a cell that was there has none."""

from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Converted:
    """A column in another type. A cell that has no such value is null, and true in the Boolean column of a rule."""

    values: pl.Series
    failed: dict[str, pl.Series] = field(default_factory=dict)


@dataclass(frozen=True)
class Purpose:
    """What the column is for: the `zone` of its local times, and whether it is part of the table's key."""

    zone: str | None = None
    identifier: bool = False


def blank(column: pl.Series, where: pl.Series) -> pl.Series:
    """`column` with null where `where` holds."""
    return pl.select(pl.when(where).then(None).otherwise(column).alias(column.name)).to_series()


def nothing(column: pl.Series, kind: pl.DataType) -> pl.Series:
    """As many nulls of that type as `column` has cells."""
    return pl.Series(column.name, [None], dtype=kind).new_from_index(0, len(column))


def refused(column: pl.Series, kind: pl.DataType) -> Converted:
    """No cell of `column` has a value of that type."""
    return Converted(nothing(column, kind), {"dtype": column.is_not_null()})


def stripped(text: pl.Series) -> pl.Series:
    """Text without blanks at both ends, with no-break and zero-width ones."""
    return text.str.strip_chars(_BLANKS)


def by_unique(text: pl.Series, mapped: dict[str, str | None]) -> pl.Series:
    """Each text by what `mapped` has for it."""
    return text.replace_strict(list(mapped), list(mapped.values()), default=None, return_dtype=pl.String)


_BLANKS = " \t\r\n\v\f\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\u200b\ufeff" + "".join(
    chr(code) for code in range(0x2000, 0x200B)
)
