"""Scoring with a bundle: batches and single rows, to the same bits (S13)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.bundle import Bundle
from ml_platform.models.protocol import Contributing, Quantiled
from ml_platform.spec.tasks import MEDIAN

BATCH = 100_000  # rows scored at a time: bounds the encoded copy


class Predictor:
    """Scores of a model: P(true), the value, or one probability a class in `classes` order.

    `levels` are those of a model of quantiles, else (). `threads` (0: all cores) is for batches; a single row uses one.
    Safe to share between threads.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.task = bundle.task
        self.classes = bundle.classes
        self.columns = tuple(bundle.columns)
        self.threads = threads
        self._model = bundle.fitted
        self._quantiled = self._model if isinstance(self._model, Quantiled) else None
        self.levels = self._quantiled.levels if self._quantiled else ()

    def scores(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Scores of shape (n,), or (n, classes) for multiclass. `frame` may hold more columns, in any order.

        Raises ScoringError for a missing column or one of another type.
        """
        return np.concatenate([self._model.predict(part, threads=self.threads) for part in _slices(frame)])

    def quantiles(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """The value of each of `levels`, rising in each row, shape (n, levels); the median is the score.

        Only of a model that has levels. Raises ScoringError as `scores` does.
        """
        assert self._quantiled is not None  # the caller looked at `levels`
        return np.concatenate([self._quantiled.quantiles(part, threads=self.threads) for part in _slices(frame)])

    def answer_row(self, row: Mapping[str, Any]) -> tuple[float, list[float] | None]:
        """`score` and `scores` of a prediction of one row: of the likeliest class, the value, or the median."""
        if self._quantiled is not None:
            values = self._quantiled.quantiles_of_row(row)
            return values[self.levels.index(MEDIAN)], values
        answer = self._model.predict_row(row)
        return (max(answer), answer) if isinstance(answer, list) else (answer, None)

    def score_row(self, row: Mapping[str, Any]) -> float | list[float]:
        """The score of one row, as `scores` gives it for a frame of that row. None is null."""
        return self._model.predict_row(row)

    def contributions(self, frame: pl.DataFrame) -> npt.NDArray[np.float64] | None:
        """By row, class and column what moved each prediction (`Contributing`); None for a model that cannot tell."""
        model = self._model
        return model.contributions(frame) if isinstance(model, Contributing) else None

    def importance(self) -> dict[str, float]:
        """Each column's share (0 to 1) of what the model looks at, greatest first."""
        return self._model.importance()


def _slices(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return (frame.slice(start, BATCH) for start in range(0, max(frame.height, 1), BATCH))
