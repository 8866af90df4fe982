"""Fitted transforms that make one number of one number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.models.linear import FARTHEST, spread, standardised
from ml_platform.models.transforms.protocol import Array, Origins, Target, own_origins
from ml_platform.models.transforms.values import RowNumbers, numbers


class _OfNumbers:
    """A transform of columns each of which becomes a number of the same name."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.outputs: Mapping[str, str] = dict.fromkeys(columns, "Float64")
        self.origins: Origins = own_origins(self.outputs)
        self._names = tuple(columns)
        self._row = RowNumbers(self._names)


class Scaled(_OfNumbers):
    """(value - centre) / scale, at most FARTHEST away from 0."""

    kind: ClassVar[str] = "Scaled"

    def __init__(self, columns: Mapping[str, str], centres: Sequence[float], scales: Sequence[float]) -> None:
        super().__init__(columns)
        self.centres, self.scales = list(centres), list(scales)
        self._learnt = tuple(zip(self._names, self.centres, self.scales, strict=True))

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        learnt = [_spread_by(declared["by"], values[~np.isnan(values)]) for values in numbers(frame, tuple(columns))]
        fitted = cls(columns, [centre for centre, _ in learnt], [scale for _, scale in learnt])
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        read = zip(self._learnt, numbers(frame, self._names), strict=True)
        return pl.DataFrame({name: standardised(values, centre, scale) for (name, centre, scale), values in read})

    def apply_row(self, row: dict[str, Any]) -> None:
        for (name, centre, scale), value in zip(self._learnt, self._row.of(row), strict=True):
            row[name] = standardised_one(value, centre, scale)

    def to_json(self) -> dict[str, Any]:
        return {"centres": self.centres, "scales": self.scales}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["centres"], document["scales"])


class Log(_OfNumbers):
    """log(1 + |value|) with the value's sign, or with what the word says of negatives."""

    kind: ClassVar[str] = "Log"

    def __init__(self, columns: Mapping[str, str], negatives: str) -> None:
        super().__init__(columns)
        self.negatives = negatives

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        fitted = cls(columns, declared["negatives"])
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({n: self._of(v) for n, v in zip(self._names, numbers(frame, self._names), strict=True)})

    def apply_row(self, row: dict[str, Any]) -> None:
        # numpy's logarithm, not Python's: they may differ in the last bit
        row.update(zip(self._names, self._of(np.array(self._row.of(row))).tolist(), strict=True))

    def _of(self, values: Array) -> Array:
        if self.negatives == "missing":
            values = np.where(values < 0, math.nan, values)
        elif self.negatives == "zero":
            values = np.where(values < 0, 0.0, values)
        return np.copysign(np.log1p(np.abs(values)), values)

    def to_json(self) -> dict[str, Any]:
        return {"negatives": self.negatives}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["negatives"])


def standardised_one(value: float, centre: float, scale: float) -> float:
    """`linear.standardised` of one number, to the same bits; NaN stays NaN."""
    scaled = (value - centre) / scale
    return FARTHEST if scaled > FARTHEST else -FARTHEST if scaled < -FARTHEST else scaled


def _spread_by(by: str, values: Array) -> tuple[float, float]:
    """Centre and scale of finite values; the scale is 1 where they do not differ."""
    if by == "deviation" or not len(values) or values.min() == values.max():
        return spread(values)
    low, centre, high = (
        float(np.quantile(values, at)) for at in ((0.25, 0.5, 0.75) if by == "quartiles" else (0, 0, 1))
    )
    scale = high - low
    return (centre, scale) if 0 < scale < math.inf else (centre, spread(values)[1])
