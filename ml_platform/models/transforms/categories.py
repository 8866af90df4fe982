"""Fitted transforms of categories: a column each, and mean labels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.transforms.protocol import Array, Origins, Target, free_name
from ml_platform.models.transforms.values import Categories

Codes = npt.NDArray[np.intp]


class OneHot:
    """`levels` by column; its outputs are called as the column, `=` and the position of the category."""

    kind: ClassVar[str] = "OneHot"

    def __init__(self, columns: Mapping[str, str], levels: Mapping[str, Sequence[str]]) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.levels = {name: list(levels[name]) for name in columns}
        self._categories = [Categories(name, dtype, levels[name]) for name, dtype in columns.items()]
        self._named: dict[str, list[str]] = {}
        origins: dict[str, dict[str, float]] = {}
        for name in columns:
            names = [free_name(f"{name}={at}", {**columns, **origins}) for at in range(len(levels[name]))]
            self._named[name] = names
            origins |= {each: {name: 1.0} for each in names}
        self.origins: Origins = origins
        self.outputs: Mapping[str, str] = dict.fromkeys(origins, "Float64")

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        levels: dict[str, list[str]] = {}
        for name, dtype in columns.items():
            every = Categories.learnt(frame, name, dtype)
            counts = np.bincount(every.codes(frame), minlength=len(every.levels) + 1)[:-1]
            frequent = np.argsort(-counts, kind="stable")[: declared["limit"]]
            levels[name] = [every.levels[code] for code in sorted(frequent.tolist())]
        fitted = cls(columns, levels)
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        outputs: dict[str, Array] = {}
        for categories in self._categories:
            codes = categories.codes(frame)
            named = self._named[categories.name]
            outputs |= {name: (codes == code).astype(np.float64) for code, name in enumerate(named)}
        return pl.DataFrame(outputs)

    def apply_row(self, row: dict[str, Any]) -> None:
        for categories in self._categories:
            code, named = categories.code(row), self._named[categories.name]
            row.update(dict.fromkeys(named, 0.0))
            if code < len(named):
                row[named[code]] = 1.0

    def to_json(self) -> dict[str, Any]:
        return {"levels": self.levels}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["levels"])


class TargetEncoded:
    """`levels` and `encodings` by column: one list a category and one more for a missing one, of one number an output.

    Of one output it has the column's name, else the column's, `=` and the position of the class.
    """

    kind: ClassVar[str] = "TargetEncoded"

    def __init__(
        self,
        columns: Mapping[str, str],
        levels: Mapping[str, Sequence[str]],
        encodings: Mapping[str, Sequence[Sequence[float]]],
    ) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.levels = {name: list(levels[name]) for name in columns}
        self.encodings = {name: [list(one) for one in encodings[name]] for name in columns}
        self._categories = [Categories(name, dtype, levels[name]) for name, dtype in columns.items()]
        self._tables = {name: np.array(self.encodings[name]) for name in columns}
        self._named: dict[str, list[str]] = {}
        origins: dict[str, dict[str, float]] = {}
        for name in columns:
            width = len(encodings[name][0])
            names = [name] if width == 1 else [free_name(f"{name}={at}", {**columns, **origins}) for at in range(width)]
            self._named[name] = names
            origins |= {each: {name: 1.0} for each in names}
        self.origins: Origins = origins
        self.outputs: Mapping[str, str] = dict.fromkeys(origins, "Float64")

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        smoothing, folds = declared["smoothing"], target.folds.ids(declared["folds"])
        prior = target.values.mean(axis=0)
        levels: dict[str, list[str]] = {}
        encodings: dict[str, list[list[float]]] = {}
        out_of_fold: list[Array] = []
        for name, dtype in columns.items():
            categories = Categories.learnt(frame, name, dtype)
            codes, size = categories.codes(frame), len(categories.levels) + 1
            levels[name] = categories.levels
            encodings[name] = mean_labels(codes, size, target.values, prior, smoothing).tolist()
            encoded = np.array(encodings[name])[codes]
            if (codes == codes[0]).all():  # out of fold, it would tell folds apart and nothing else
                out_of_fold.append(encoded)
                continue
            for fold in range(declared["folds"]):
                others = folds < fold if target.folds.ordered else folds != fold
                table = mean_labels(codes[others], size, target.values[others], prior, smoothing)
                encoded[folds == fold] = table[codes[folds == fold]]
            out_of_fold.append(encoded)
        fitted = cls(columns, levels, encodings)
        return fitted, fitted._named_columns(out_of_fold)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        return self._named_columns([self._tables[one.name][one.codes(frame)] for one in self._categories])

    def apply_row(self, row: dict[str, Any]) -> None:
        for categories in self._categories:
            encoded = self.encodings[categories.name][categories.code(row)]
            row.update(zip(self._named[categories.name], encoded, strict=True))

    def _named_columns(self, encoded: Sequence[Array]) -> pl.DataFrame:
        of_each = zip(self._named.values(), encoded, strict=True)
        return pl.DataFrame({name: of[:, at] for names, of in of_each for at, name in enumerate(names)})

    def to_json(self) -> dict[str, Any]:
        return {"levels": self.levels, "encodings": self.encodings}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["levels"], document["encodings"])


def mean_labels(codes: Codes, size: int, labels: Array, prior: Array, smoothing: float) -> Array:
    """By code (0 to `size` - 1) and output the mean label of its rows and `smoothing` more with `prior`.

    Shape (size, outputs). A code without rows has the prior. Sums are in the order of the rows, whatever the threads.
    """
    counts = np.bincount(codes, minlength=size).astype(np.float64)
    weights = counts + smoothing
    sums = np.array([np.bincount(codes, labels[:, at], size) for at in range(labels.shape[1])]).T
    smoothed = (sums + smoothing * prior) / np.where(weights > 0, weights, 1.0)[:, None]
    return np.where(counts[:, None] > 0, smoothed, prior)
