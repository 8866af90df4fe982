"""From feature columns to what a model may see: numbers only, the same for a frame and for a row (S13).

LightGBM ends the process (SIGABRT) when a frame holds text, dictionary, time or null-typed columns,
and takes columns by position, whatever they are called. So nothing reaches a library but through here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError

Levels = Mapping[str, Sequence[str]]  # text column → its categories; a code is a position
_AS_THEY_ARE = (
    pl.Int8,
    pl.Int16,
    pl.Int32,
    pl.Int64,
    pl.UInt8,
    pl.UInt16,
    pl.UInt32,
    pl.UInt64,
    pl.Float32,
    pl.Float64,
)


def encode(frame: pl.DataFrame, columns: Sequence[str], levels: Levels) -> pl.DataFrame:
    """`columns` of `frame` in that order, all numeric and guarded; text as int32 codes.

    A category that was not learnt is null, as an unknown value. Raises ScoringError for a column
    that is missing, or that is text where a number was learnt or the other way round.
    """
    schema = frame.schema
    missing = [name for name in columns if name not in schema]
    if missing:
        raise ScoringError(f"The rows lack {', '.join(missing)}.", remedy="Compute the model's own features.")
    encoded = frame.select(_encoded(name, schema[name], levels.get(name)) for name in columns)
    guard(encoded, columns)
    return encoded


def encoded_matrix(frame: pl.DataFrame, columns: Sequence[str], levels: Levels) -> npt.NDArray[np.float64]:
    """`encode` as a matrix of doubles, shape (n, columns): texts as codes, missing values as NaN.

    Raises what `encode` raises.
    """
    encoded = encode(frame, columns, levels)
    return encoded.cast(pl.Float64).fill_null(float("nan")).to_numpy(order="c")


def _encoded(name: str, dtype: pl.DataType, levels: Sequence[str] | None) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Null:
        return column.cast(pl.Float64 if levels is None else pl.Int32)
    if (levels is None) == (dtype == pl.String):
        learnt = "numbers" if levels is None else "text"
        raise ScoringError(
            f"The column {name!r} is {dtype}; the model learnt {learnt}.",
            remedy="Give it the type the feature declares.",
        )
    if levels is not None:
        return column.cast(pl.Enum(levels), strict=False).to_physical().cast(pl.Int32)
    if dtype == pl.Boolean:
        return column.cast(pl.Int8)
    if dtype in _AS_THEY_ARE:
        return column
    if dtype.is_numeric():
        return column.cast(pl.Float64)
    raise ScoringError(
        f"The column {name!r} is {dtype}, which no model may see.",
        remedy="Derive numbers from it (hours, seconds since …).",
    )


def guard(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise ScoringError unless `frame` is exactly `columns`, in order, all of plain number types."""
    if frame.columns != list(columns):
        raise ScoringError(
            f"The columns are {', '.join(frame.columns)} and not {', '.join(columns)}.",
            remedy="Select them by the model's names.",
        )
    wrong = [f"{name} ({dtype})" for name, dtype in frame.schema.items() if dtype not in _AS_THEY_ARE]
    if wrong:
        raise ScoringError(
            f"A model takes plain numbers only; it would fail at {', '.join(wrong)}.", remedy="Encode them first."
        )


class RowEncoder:
    """The same for one row given as Python values: about 60 columns in 10 µs.

    A missing name raises ScoringError, as a missing column does; None is null.
    """

    def __init__(self, columns: Sequence[str], levels: Levels) -> None:
        self.columns = tuple(columns)
        codes = {
            name: {level: float(code) for code, level in enumerate(categories)} for name, categories in levels.items()
        }
        self._columns = [(name, codes.get(name)) for name in self.columns]

    def encode(self, row: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """The row as float64 of shape (1, columns); NaN where a value is null or its category unknown."""
        return np.array([self.values(row)], dtype=np.float64)

    def values(self, row: Mapping[str, Any]) -> list[float]:
        """The same as a list of doubles."""
        try:
            return [self._value(row[name], codes) for name, codes in self._columns]
        except KeyError as error:
            raise ScoringError(f"The row lacks {error.args[0]}.", remedy="Compute the model's own features.") from None
        except (TypeError, ValueError, OverflowError):
            raise self._misfit(row) from None

    @staticmethod
    def _value(value: Any, codes: Mapping[str, float] | None) -> float:
        if value is None:
            return math.nan
        if codes is None:
            if isinstance(value, str):  # float("1") would quietly differ from the batch path
                raise TypeError
            return float(value)
        if not isinstance(value, str):
            raise TypeError
        return codes.get(value, math.nan)

    def _misfit(self, row: Mapping[str, Any]) -> ScoringError:
        for name, codes in self._columns:
            try:
                self._value(row[name], codes)
            except (TypeError, ValueError, OverflowError):
                learnt = "numbers" if codes is None else "text"
                return ScoringError(
                    f"The value {row[name]!r} of {name!r} does not fit: the model learnt {learnt}.",
                    remedy="Give it the type the feature declares.",
                )
        return ScoringError("The row cannot be read as numbers.")
