"""The values of columns as transforms read them: numbers and codes of categories, of a frame and of a row alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError
from ml_platform.models.encoding import RowEncoder, encode
from ml_platform.models.transforms.protocol import Array


def numbers(frame: pl.DataFrame, columns: Sequence[str]) -> list[Array]:
    """The columns as float64; NaN where a value is missing. Raises ScoringError as `encode` does."""
    encoded = encode(frame, columns, {})
    doubles = (column.cast(pl.Float64).fill_null(math.nan).to_numpy() for column in encoded)
    return [np.where(np.isfinite(values), values, math.nan) for values in doubles]


class RowNumbers:
    """The same of one row of Python values."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._encoder = RowEncoder(columns, {})

    def of(self, row: Mapping[str, Any]) -> list[float]:
        """The numbers in the order of the columns."""
        return [value if -math.inf < value < math.inf else math.nan for value in self._encoder.values(row)]


class Categories:
    """The categories of one column, as sorted texts; whole numbers and truth values are written as polars does.

    The code of a category is its position, that of any other value or of none is `len(levels)`.
    """

    def __init__(self, name: str, dtype: str, levels: Sequence[str]) -> None:
        self.name, self.dtype, self.levels = name, dtype, list(levels)
        self._enum = pl.Enum(self.levels)
        self._codes: dict[Any, int] = {_value(level, dtype): code for code, level in enumerate(self.levels)}

    @classmethod
    def learnt(cls, frame: pl.DataFrame, name: str, dtype: str) -> "Categories":
        """Those that the column has."""
        return cls(name, dtype, _texts(frame, name, dtype).drop_nulls().unique().sort().to_list())

    def codes(self, frame: pl.DataFrame) -> npt.NDArray[np.intp]:
        """The codes of a frame's rows. Raises ScoringError for a column that is missing or of another type."""
        texts = _texts(frame, self.name, self.dtype)
        codes = texts.cast(self._enum, strict=False).to_physical().cast(pl.Int64)
        return codes.fill_null(len(self.levels)).to_numpy().astype(np.intp)

    def code(self, row: Mapping[str, Any]) -> int:
        """The code of a row's value. Raises ScoringError for one that is missing or of another type."""
        try:
            value = row[self.name]
        except KeyError:
            raise ScoringError(f"The row lacks {self.name}.", remedy="Compute the model's own features.") from None
        if value is not None and isinstance(value, str) != (self.dtype == "String"):
            raise _misfit(f"The value {value!r} of {self.name!r} does not fit", self.dtype)
        return self._codes.get(value, len(self.levels))


def _value(level: str, dtype: str) -> str | int | bool:
    return level if dtype == "String" else level == "true" if dtype == "Boolean" else int(level)


def _texts(frame: pl.DataFrame, name: str, dtype: str) -> pl.Series:
    if name not in frame.columns:
        raise ScoringError(f"The rows lack {name}.", remedy="Compute the model's own features.")
    column, wanted = frame[name], dtype == "String"
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    if (column.dtype == pl.String) != wanted or not (wanted or column.dtype == pl.Boolean or column.dtype.is_integer()):
        raise _misfit(f"The column {name!r} is {column.dtype}", dtype)
    return column.cast(pl.String)


def _misfit(what: str, dtype: str) -> ScoringError:
    learnt = "text" if dtype == "String" else "whole numbers or truth values"
    return ScoringError(f"{what}; the model learnt {learnt}.", remedy="Give it the type the feature declares.")
