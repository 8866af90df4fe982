"""What the rows of one request are answered with, by the champion or its canary."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_platform.serving.online import ManyPredictions, OnlinePredictor, Prediction
from ml_platform.serving.online_store import Role


@dataclass(frozen=True)
class AnsweredRow:
    """What one row is answered with, and by which version."""

    predictor: OnlinePredictor
    role: Role
    prediction: Prediction
    contributions: Mapping[str, float] | None = None


@dataclass(frozen=True)
class AnsweredRows:
    """What the rows of one version are answered with. numbers: their positions in the request."""

    predictor: OnlinePredictor
    role: Role
    rows: pl.DataFrame
    predictions: ManyPredictions
    numbers: pl.Series


def answered_by_champion(predictor: OnlinePredictor, rows: pl.DataFrame) -> list[AnsweredRows]:
    """All rows answered by the champion, in one part. Raises what `OnlinePredictor.predict_many` raises."""
    return [AnsweredRows(predictor, "champion", rows, predictor.predict_many(rows), pl.Series(np.arange(rows.height)))]
