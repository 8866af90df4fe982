"""Cells to the contract's types: what cannot be one is null here and named there."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from ml_platform.validation.conversion import Purpose
from ml_platform.validation.conversions import convert

_SENTENCES = {
    "dtype": "is not {named}",
    "exact": "is not exactly a value of {kind}: to take it would change it",
    "double": "is a double so great that it stands for several whole numbers: which one it was cannot be told",
    "zero": "holds the character U+0000, at which a filter of the lake would end",
    "fraction": "is a fraction, in a column that is part of the key",
    "zone": "is a local time and the table declares no time_zone",
    "gap": "does not exist in {zone}: the clocks skip it",
}


@dataclass(frozen=True)
class Failed:
    """Cells of one column that could not be read: where, under which rule, and the sentence after the value."""

    column: str
    rule: str
    where: pl.Series
    sentence: str


def cast(
    frame: pl.DataFrame, types: dict[str, pl.DataType], zone: str | None, key: Collection[str] = ()
) -> tuple[pl.DataFrame, list[Failed]]:
    """The columns named in `types` in those types. A cell that has no such value is null and in the second result.

    `key` names the columns that identify a row.
    """
    columns, failed = [], []
    for name, kind in types.items():
        converted = convert(frame[name], kind, Purpose(zone, name in key))
        columns.append(converted.values.alias(name))
        for rule, where in converted.failed.items():
            if where.any():
                sentence = _SENTENCES[rule].format(named=_named(kind), kind=kind, zone=zone)
                failed.append(Failed(name, f"{name}|{rule}", where, sentence))
    return pl.DataFrame(columns), failed


@dataclass(frozen=True)
class Cast:
    """What `cast` made of the rows of several files, one after the other: a cell is converted by itself."""

    values: pl.DataFrame
    failed: list[Failed]

    def slice(self, begin: int, length: int) -> "Cast":
        """The same of `length` rows from `begin` on."""
        failed = [replace(one, where=one.where.slice(begin, length)) for one in self.failed]
        return Cast(self.values.slice(begin, length), [one for one in failed if one.where.any()])


def _named(kind: pl.DataType) -> str:
    if kind.is_integer():
        return f"a whole number of {kind}"
    if kind.is_float() or kind.is_decimal():
        return "a number"
    if isinstance(kind, pl.Datetime):
        return "a time (ISO 8601)"
    if kind == pl.Boolean:
        return "a truth value (true or false)"
    if isinstance(kind, pl.Enum):
        return f"one of {', '.join(kind.categories.to_list()[:20])}"
    return f"a {kind}"
