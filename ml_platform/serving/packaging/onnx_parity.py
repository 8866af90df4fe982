"""Whether an ONNX model scores as the platform does: the held-out rows, and rows with missing values, through both."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.encoding import encode
from ml_platform.models.predictor import Predictor
from ml_platform.models.training_data import part
from ml_platform.serving.batch import decided
from ml_platform.serving.packaging.packaged_version import PackagedVersion

Matrix = npt.NDArray[np.float32]
_PROBED = 50  # held-out rows that are also scored with each column missing
_AT_ONCE = 50_000  # rows


@dataclass(frozen=True)
class Parity:
    """What a replay of rows through both gave.

    rows:                 of the holdout of the version's training set.
    rows_with_missing:    further ones: some of them with one column missing, for each column.
    largest_difference:   of a score, over all rows; where scores are larger than 1, relative to them.
    flipped:              rows whose decision differs; 0 for regression, which decides nothing.
    tolerance:            of the largest difference.
    """

    rows: int
    rows_with_missing: int
    largest_difference: float
    flipped: int
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance and no decision flipped."""
        return self.largest_difference <= self.tolerance and not self.flipped

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def encoded(frame: pl.DataFrame, version: PackagedVersion) -> Matrix:
    """The input of the ONNX model for rows of the model's columns: text as codes, NaN for what is missing."""
    numbers = encode(frame, list(version.bundle.columns), version.bundle.levels)
    return numbers.cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(frame.height, len(numbers.columns))


def replayed(version: PackagedVersion, scores_of: Callable[[Matrix], npt.NDArray[Any]], tolerance: float) -> Parity:
    """Both scores of the holdout of the version's training set. `scores_of` gives those of the ONNX model."""
    columns = list(version.bundle.columns)
    holdout = part(version.training_set, "holdout", columns)
    probed = holdout.head(_PROBED)
    missing = [probed.with_columns(pl.lit(None, dtype=probed.schema[name]).alias(name)) for name in columns]
    frame = pl.concat([holdout, *missing])
    predictor = Predictor(version.bundle)
    largest, flipped = 0.0, 0
    for start in range(0, frame.height, _AT_ONCE):
        rows = frame.slice(start, _AT_ONCE)
        own, theirs = predictor.scores(rows), np.asarray(scores_of(encoded(rows, version)), np.float64)
        difference = np.abs(own - theirs) / np.maximum(1.0, np.abs(own))
        largest = max(largest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0)))
        flipped += sum(a != b for a, b in zip(decided(predictor, own), decided(predictor, theirs), strict=True))
    return Parity(holdout.height, frame.height - holdout.height, largest, flipped, tolerance)
