"""The linear baseline that a candidate is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.protocol import Model
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import Linear


@dataclass(frozen=True)
class LinearBaseline:
    """A fitted baseline that scores as a predictor does."""

    model: Model
    threads: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The text labels of a multiclass task, in the order of the scores; else ()."""
        return self.model.signature.classes

    def scores(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """As of `Model.predict`."""
        return self.model.predict(frame, threads=self.threads)


def fit_baseline(
    path: Path, task: Task, columns: Mapping[str, str], declared: Linear | None = None, *, threads: int = 0
) -> Model:
    """A linear model of the train part of the stored training set at `path`; None: at the default penalty.

    `columns` are the model's, name → polars type. The same training set gives the same scores, so
    nothing of it needs to be stored. Raises TrainingError for labels that nothing can be learnt from.
    """
    declared = declared or Linear()
    trainer = trainer_of(declared)
    return trainer.fit(TrainingData(path, task, columns), trainer.config(declared, task), threads=threads)
