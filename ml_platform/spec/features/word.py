"""The interface that every declared feature implements, so that no other code asks for its kind."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_wording import value_in_words
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import Several

_SHORT = 32  # characters of a description that may stand beside a value

On = str | Several[str] | Mapping[str, str]


def join_keys(on: On | None) -> dict[str, str]:
    """The join as example column → table column.

    Args:
        on: A column that both tables have, several of them, or the mapping itself. None: an empty join, to all rows.

    >>> join_keys({"origin": "airport"})
    {'origin': 'airport'}
    """
    if on is None:
        return {}
    if isinstance(on, str):
        return {on: on}
    return dict(on) if isinstance(on, Mapping) else {name: name for name in on}


@dataclass(frozen=True)
class Phrases:
    """What a feature needs of its pipeline to describe itself.

    before:       "before <prediction time>", or "now" for examples without one.
    descriptions: the contracts' descriptions of columns, by table.
    """

    before: str
    descriptions: Mapping[str, Mapping[str, str]]

    def column(self, table: str, name: str) -> str:
        """The column with its description, where its contract gives one."""
        about = self.descriptions[table].get(name)
        return f"{name} ({about})" if about else name

    def unit(self, table: str, name: str) -> str:
        """The column with the beginning of its description, where that is short: often a unit.

        >>> Phrases("now", {"trips": {"late": "minutes late; null: never arrived"}}).unit("trips", "late")
        'late (minutes late)'
        """
        about = self.descriptions[table].get(name, "").partition(";")[0].strip()
        return f"{name} ({about})" if about and len(about) <= _SHORT else name


class FeatureWord(ABC):
    """A word that declares features.

    expressions: row-wise expressions by output, for `Derived`; empty for the others.
    output_parameters: the parameters that choose which outputs there are; the others hold for each output.
    """

    expressions: Mapping[str, pl.Expr]
    output_parameters: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of the columns that the feature produces, in order."""

    def without(self, outputs: Collection[str]) -> tuple[Self, ...]:
        """The words that declare the other outputs only, none where no other is. Raises DeclarationError.

        A word with one output is kept or dropped; one with several says how it is reduced.
        """
        return () if set(self.outputs) <= set(outputs) else (self,)

    @abstractmethod
    def in_words(self, phrases: Phrases) -> dict[str, str]:
        """Each output → a phrase that describes it."""

    @abstractmethod
    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        """Each output → a short phrase that names it for one example, to be followed by "is" and its value.

        `example`: the example's own columns and features by name.
        """

    def value_in_words(self, value: Any) -> str:
        """A value of an output."""
        return value_in_words(value)


class JoinedFeature(FeatureWord):
    """A word that reads rows of a table.

    timed: whether the table must have an event time and the examples a prediction time.
    """

    table: str
    timed: ClassVar[bool] = True
    expressions: Mapping[str, pl.Expr] = MappingProxyType({})

    @property
    @abstractmethod
    def keys(self) -> dict[str, str]:
        """Example column → table column; empty: all rows."""

    @abstractmethod
    def output_types(self, table: Table) -> list[pl.DataType]:
        """The type of each output. Raises DeclarationError for what does not fit the columns of `table`."""

    @abstractmethod
    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        """Each output → the columns of the table that it is computed from, without keys and clocks."""

    @property
    def statuses(self) -> dict[str, tuple[Any, ...]]:
        """Each status column → what, besides table and keys, determines the row that it describes."""
        return {}

    @property
    def title(self) -> str:
        """The feature's name in errors: `Window('trips')`."""
        return f"{type(self).__name__}({self.table!r})"

    def check_columns(self, table: Table, *names: str) -> None:
        """Raise DeclarationError for the first name that `table` does not have."""
        for name in names:
            if name not in table.columns:
                raise DeclarationError(
                    self.title, f"there is no column {name!r}", remedy=f"Its columns: {', '.join(table.columns)}."
                )

    def rows_of(self, example: Mapping[str, Any], *, every: str = "") -> str:
        """`trips with driver D7`: the rows joined to one example. `every` goes before the table if all rows are."""
        values = [
            f"{theirs} {value_in_words(example[own])}" if own in example else theirs
            for own, theirs in self.keys.items()
        ]
        return f"{self.table} with {' and '.join(values)}" if values else f"{every}{self.table}"

    def joined_rows(self, noun: str) -> str:
        """`trips rows with the same driver`, where `noun` is "rows"."""
        pairs = self.keys.items()
        same = " and ".join(own if own == theirs else f"{theirs} as {own}" for own, theirs in pairs)
        return f"{self.table} {noun}" + (f" with the same {same}" if same else "")
