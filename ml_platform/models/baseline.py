"""The linear baseline that a candidate is compared with."""

from collections.abc import Mapping
from pathlib import Path

from ml_platform.models.protocol import Model
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import Linear


def fit_baseline(path: Path, task: Task, columns: Mapping[str, str]) -> Model:
    """A linear model of the train part of the stored training set at `path`, at the default penalty.

    `columns` are the model's, name → polars type. The same training set gives the same scores, so
    nothing of it needs to be stored. Raises TrainingError for labels that nothing can be learnt from.
    """
    declared = Linear()
    trainer = trainer_of(declared)
    return trainer.fit(TrainingData(path, task, columns), trainer.config(declared, task))
