"""The baseline of a training set: a linear model of its train part."""

from pathlib import Path

import numpy as np
import pytest

from ml_platform.models.baseline import fit_baseline
from ml_platform.spec.tasks import Task
from ml_platform_tests.models import data
from ml_platform_tests.models.data import COLUMNS, TASKS


@pytest.mark.parametrize("task", TASKS)
def test_the_baseline_of_a_training_set_is_linear_and_the_same_each_time(task: Task, tmp_path: Path) -> None:
    stored = data.stored(tmp_path, task)
    model, again = (fit_baseline(stored.path, task, COLUMNS) for _ in range(2))
    assert (model.format, model.to_bytes()) == ("linear-json", again.to_bytes())
    holdout = data.part(data.rows(task), "holdout")
    scores, labels = model.predict(holdout), holdout["_label"].to_numpy()
    if task == "multiclass":
        assert np.mean(np.array(model.signature.classes)[scores.argmax(axis=1)] == labels) > 0.6
    else:
        assert np.corrcoef(scores, labels)[0, 1] > 0.5
