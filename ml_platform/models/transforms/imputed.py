"""Missing values filled in, of numbers and of texts."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.models.linear import spread
from ml_platform.models.transforms.protocol import Array, Origins, Target, free_name
from ml_platform.models.transforms.values import Categories, RowNumbers, numbers

Filling = float | str | None  # None: training had no text at all, and missing ones stay so


class Imputed:
    """`fillings` by column; `indicators` are the names of the columns that say where a value was missing."""

    kind: ClassVar[str] = "Imputed"

    def __init__(
        self, columns: Mapping[str, str], fillings: Mapping[str, Filling], indicators: Mapping[str, str]
    ) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.fillings, self.indicators = dict(fillings), dict(indicators)
        self._texts = [name for name, dtype in columns.items() if dtype == "String"]
        self._numbers = [name for name in columns if name not in self._texts]
        self._row = RowNumbers(self._numbers)
        outputs = {name: "String" if name in self._texts else "Float64" for name in columns}
        self.outputs: Mapping[str, str] = {**outputs, **dict.fromkeys(self.indicators.values(), "Float64")}
        self.origins: Origins = {
            **{name: {name: 1.0} for name in columns},
            **{name: {of: 1.0} for of, name in self.indicators.items()},
        }
        self._as_codes = {name: Categories(name, "String", []) for name in self._texts}  # checks types

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        fillings: dict[str, Filling] = {}
        indicators: dict[str, str] = {}
        for name, dtype in columns.items():
            if declared["indicator"]:
                indicators[name] = free_name(f"{name}=missing", {**columns, **dict.fromkeys(indicators.values())})
            if declared["value"] is not None:
                fillings[name] = declared["value"]
            elif dtype == "String":
                counts = frame[name].drop_nulls().value_counts().sort(["count", name], descending=[True, False])
                fillings[name] = counts[name][0] if counts.height else None
            else:
                (values,) = numbers(frame, [name])
                fillings[name] = _typical(declared["by"], values[~np.isnan(values)])
        fitted = cls(columns, fillings, indicators)
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        outputs: dict[str, Any] = {}
        for name, values in zip(self._numbers, numbers(frame, self._numbers), strict=True):
            missing = np.isnan(values)
            filling: Any = self.fillings[name]  # a number, as the declaration and `fit` see to
            outputs[name] = np.where(missing, filling, values).astype(np.float64)
            outputs[self.indicators.get(name, "")] = missing.astype(np.float64)
        for name in self._texts:
            self._as_codes[name].codes(frame)
            column, filling = frame[name].cast(pl.String), self.fillings[name]
            outputs[name] = column if filling is None else column.fill_null(pl.lit(filling, pl.String))
            outputs[self.indicators.get(name, "")] = column.is_null().cast(pl.Float64)
        return pl.DataFrame({name: outputs[name] for name in self.outputs})

    def apply_row(self, row: dict[str, Any]) -> None:
        for name, value in zip(self._numbers, self._row.of(row), strict=True):
            missing = value != value
            row[name] = self.fillings[name] if missing else value
            if name in self.indicators:
                row[self.indicators[name]] = float(missing)
        for name in self._texts:
            self._as_codes[name].code(row)
            missing = row[name] is None
            if missing:
                row[name] = self.fillings[name]
            if name in self.indicators:
                row[self.indicators[name]] = float(missing)

    def to_json(self) -> dict[str, Any]:
        return {"fillings": self.fillings, "indicators": self.indicators}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["fillings"], document["indicators"])


def _typical(by: str, values: Array) -> float:
    """The median, mean or most frequent of finite values; 0 of none."""
    if not len(values):
        return 0.0
    if by == "mean":
        return spread(values)[0]
    if by == "median":
        ordered = np.sort(values)
        low, high = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
        return low if low == high else low / 2 + high / 2
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()])
