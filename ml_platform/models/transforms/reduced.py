"""Principal components (Jolliffe 2002, 2.3), of the correlations of numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.models.linear import spread, standardised
from ml_platform.models.transforms.numbers import standardised_one
from ml_platform.models.transforms.protocol import Array, Origins, Target
from ml_platform.models.transforms.values import RowNumbers, numbers

_SWEEPS = 60  # Jacobi's method needs about ten
_NEGLIGIBLE = 1e-15


class Reduced:
    """`loadings` are by component one number a column, whose squares sum up to 1: the shares of its origins."""

    kind: ClassVar[str] = "Reduced"

    def __init__(
        self,
        columns: Mapping[str, str],
        name: str,
        centres: Sequence[float],
        scales: Sequence[float],
        loadings: Sequence[Sequence[float]],
    ) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.name = name
        self.centres, self.scales, self.loadings = list(centres), list(scales), [list(one) for one in loadings]
        self._names, self._row = tuple(columns), RowNumbers(tuple(columns))
        self._outputs = [f"{name}_{index + 1}" for index in range(len(loadings))]
        self.outputs: Mapping[str, str] = dict.fromkeys(self._outputs, "Float64")
        self.origins: Origins = {
            output: {column: loading**2 for column, loading in zip(columns, one, strict=True)}
            for output, one in zip(self._outputs, self.loadings, strict=True)
        }

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        read = numbers(frame, tuple(columns))
        spreads = [spread(values[~np.isnan(values)]) for values in read]
        centres, scales = [centre for centre, _ in spreads], [scale for _, scale in spreads]
        loadings = components(_scaled(read, centres, scales), declared["components"])
        fitted = cls(columns, declared["name"], centres, scales, loadings.tolist())
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        scaled = _scaled(numbers(frame, self._names), self.centres, self.scales)
        outputs = {}
        for output, loadings in zip(self._outputs, self.loadings, strict=True):
            total = np.zeros(frame.height)
            for values, loading in zip(scaled, loadings, strict=True):  # never BLAS: a row has the bits of its batch
                total = total + values * loading
            outputs[output] = total
        return pl.DataFrame(outputs)

    def apply_row(self, row: dict[str, Any]) -> None:
        read = zip(self._row.of(row), self.centres, self.scales, strict=True)
        scaled = [0.0 if value != value else standardised_one(value, centre, scale) for value, centre, scale in read]
        for output, loadings in zip(self._outputs, self.loadings, strict=True):
            total = 0.0
            for value, loading in zip(scaled, loadings, strict=True):
                total = total + value * loading
            row[output] = total

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "centres": self.centres, "scales": self.scales, "loadings": self.loadings}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        return cls(columns, document["name"], document["centres"], document["scales"], document["loadings"])


def _scaled(values: Sequence[Array], centres: Sequence[float], scales: Sequence[float]) -> list[Array]:
    """The columns standardised; a missing value counts as the mean."""
    read = zip(values, centres, scales, strict=True)
    return [np.where(np.isnan(one), 0.0, standardised(one, centre, scale)) for one, centre, scale in read]


def components(columns: Sequence[Array], count: int) -> Array:
    """The first `count` principal components of standardised columns, shape (count, columns), greatest variance first.

    Each has length 1, and its loading that is largest (of equal ones the first) is positive.
    """
    width, rows = len(columns), len(columns[0])
    matrix = np.zeros((width, width))
    for i in range(width):
        for j in range(i, width):
            matrix[i, j] = matrix[j, i] = float(np.sum(columns[i] * columns[j])) / rows
    values, vectors = _eigen(matrix)
    order = np.argsort(-values, kind="stable")[:count]
    chosen = vectors[:, order].T
    largest = np.abs(chosen).argmax(axis=1)
    return chosen * np.where(chosen[np.arange(count), largest] < 0, -1.0, 1.0)[:, None]


def _eigen(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues, and eigenvectors as columns, by cyclic Jacobi rotations (Golub & Van Loan 2013, 8.5).

    LAPACK's would depend on the number of threads of its BLAS, and with them the bytes of the model (S16).
    """
    matrix, width = symmetric.copy(), len(symmetric)
    vectors = np.eye(width)
    scale = float(np.abs(np.diag(matrix)).max()) or 1.0
    for _ in range(_SWEEPS):
        if np.abs(matrix - np.diag(np.diag(matrix))).max() <= _NEGLIGIBLE * scale:
            break
        for p in range(width - 1):
            for q in range(p + 1, width):
                if abs(matrix[p, q]) <= _NEGLIGIBLE * scale / 100:
                    continue
                theta = (matrix[q, q] - matrix[p, p]) / (2 * matrix[p, q])
                tangent = math.copysign(1.0, theta) / (abs(theta) + math.hypot(theta, 1.0))
                cosine = 1 / math.sqrt(tangent * tangent + 1)
                sine = tangent * cosine
                for rotated in (matrix, matrix.T, vectors):  # columns, rows, and the vectors
                    first, second = rotated[:, p].copy(), rotated[:, q].copy()
                    rotated[:, p], rotated[:, q] = cosine * first - sine * second, sine * first + cosine * second
    return np.diag(matrix).copy(), vectors
