"""A column in parts, so that one of texts need not be held whole."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import polars as pl


@dataclass(frozen=True)
class ColumnParts:
    """A column whose parts are read anew each time that they are asked for; at least one."""

    name: str
    dtype: pl.DataType
    parts: Callable[[], Iterable[pl.Series]]

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """A column that is held already."""
        return cls(column.name, column.dtype, lambda: [column])

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> Iterator[Self]:
        """The columns of a frame."""
        return (cls.of(column) for column in frame)

    def whole(self) -> pl.Series:
        """All parts together."""
        return pl.concat(list(self.parts()), rechunk=False)
