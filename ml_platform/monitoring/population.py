"""One side of a drift comparison, and what is kept of a side that many are compared with. No input or output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import polars as pl

from ml_platform.monitoring.distances import Floats
from ml_platform.monitoring.sorting import in_order

Kind = Literal["number", "level"]
Counts = Mapping[str | None, int]  # level → rows, None → nulls

CELLS = 2_000_000  # numbers read at a time from either side, and kept of a reference: bounds the memory


@dataclass(frozen=True)
class Ordered:
    """A column of numbers: its values without nulls and NaN, in order, and how many rows it has."""

    values: Floats
    rows: int

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """The column in order."""
        whole = column.cast(pl.Float64)
        present = whole.drop_nulls() if whole.null_count() else whole
        values = in_order(present)
        # NaN comes last; filters would copy everything
        return cls(values[: np.searchsorted(values, np.inf, "right")], len(column))


@dataclass(frozen=True)
class Population:
    """One side of a comparison.

    rows: how many it has.
    kinds: its columns; "nothing" for one that has no type because it has no value, None for a type that cannot be
        compared.
    numbers: reads some columns of numbers, and gives them one after the other.
    levels: counts the levels of one column. Whoever keeps the rows counts levels at a fraction of what reading a
        million texts costs.
    """

    rows: int
    kinds: Mapping[str, Kind | Literal["nothing"] | None]
    numbers: Callable[[Sequence[str]], Callable[[str], Ordered]]
    levels: Callable[[str], Counts]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """The population of a frame's rows."""

        def levels(name: str) -> Counts:
            return dict(frame[name].cast(pl.String).alias("level").value_counts(name="n").rows())

        kinds = {name: kind_of(dtype) for name, dtype in frame.schema.items()}
        return cls(frame.height, kinds, lambda names: columns_of(frame.select(names)), levels)


def columns_of(frame: pl.DataFrame) -> Callable[[str], Ordered]:
    """The columns of a frame of numbers, each put in order when it is asked for."""
    return lambda name: Ordered.of(frame[name])


def kind_of(dtype: pl.DataType) -> Kind | Literal["nothing"] | None:
    """How columns of that type are compared."""
    if dtype == pl.Null:
        return "nothing"
    if dtype.is_numeric():
        return "number"
    return "level" if dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum) else None


@dataclass
class Sketch:
    """What was read of a reference that does not change: columns in order, and counts of levels.

    At most `most` values and levels are kept, of the columns that were read first. Others are read each time.
    """

    most: int = CELLS
    _numbers: dict[str, Ordered] = field(default_factory=dict)
    _levels: dict[str, Counts] = field(default_factory=dict)
    _size: int = 0

    def of(self, population: Population) -> Population:
        """The population, of which columns that were read before come from here."""

        def numbers(names: Sequence[str]) -> Callable[[str], Ordered]:
            new = [name for name in names if name not in self._numbers]
            read = population.numbers(new)

            def column(name: str) -> Ordered:
                if name not in self._numbers:
                    ordered = read(name)
                    if not self._fits(len(ordered.values)):
                        return ordered
                    self._numbers[name] = ordered
                return self._numbers[name]

            return column

        def levels(name: str) -> Counts:
            if name not in self._levels:
                counts = population.levels(name)
                if not self._fits(len(counts)):
                    return counts
                self._levels[name] = counts
            return self._levels[name]

        return replace(population, numbers=numbers, levels=levels)

    def _fits(self, size: int) -> bool:
        fits = self._size + size <= self.most
        self._size += size if fits else 0
        return fits
