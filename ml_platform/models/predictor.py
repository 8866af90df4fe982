"""Scoring with a bundle: batches and single rows, to the same bits (S13)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError
from ml_platform.models.bundle import Bundle
from ml_platform.models.encoding import RowEncoder, encode

BATCH = 100_000  # rows encoded at a time: bounds the copy


class Predictor:
    """Scores of a model: P(true), the value, or one probability a class in `classes` order.

    `threads` (0: all cores) is for batches; a single row uses one. Safe to share between threads.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        import lightgbm

        self.task = bundle.task
        self.classes = bundle.classes
        self.columns = tuple(bundle.columns)
        self.levels = bundle.levels
        self.threads = threads
        self._booster = lightgbm.Booster(model_str=bundle.model.decode())
        if tuple(self._booster.feature_name()) != self.columns:
            raise ScoringError(
                "The model's columns are not those of its bundle.",
                remedy="The bundle was put together wrongly; train again.",
            )
        self._rows = RowEncoder(self.columns, self.levels)

    def scores(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Scores of shape (n,), or (n, classes) for multiclass. `frame` may hold more columns, in any order.

        Raises ScoringError for a missing column or one of another type.
        """
        parts = []
        for start in range(0, max(frame.height, 1), BATCH):
            encoded = encode(frame.slice(start, BATCH), self.columns, self.levels)
            if encoded.height:
                parts.append(np.asarray(self._booster.predict(encoded, num_threads=self.threads), dtype=np.float64))
        if parts:
            return np.concatenate(parts)
        return np.empty((0, len(self.classes)) if self.task == "multiclass" else (0,), dtype=np.float64)

    def score_row(self, row: Mapping[str, Any]) -> float | list[float]:
        """The score of one row, as `scores` gives it for a frame of that row. None is null."""
        score = np.asarray(self._booster.predict(self._rows.encode(row), num_threads=1))[0]
        return [float(part) for part in score] if self.task == "multiclass" else float(score)
