"""LightGBM behind the protocol: importance, parameters, and what existing lakes rely on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_platform import LightGBM
from ml_platform.models.lightgbm import TRAINER, gain_shares
from ml_platform.spec.tasks import Task
from ml_platform_tests.models import data


def test_importance_is_the_share_of_gain_that_lightgbm_reports() -> None:
    import lightgbm

    generator = np.random.default_rng(0)
    x = generator.random((500, 3))
    y = x[:, 0] + 0.3 * x[:, 1] > 0.6
    data = lightgbm.Dataset(x, y, feature_name=["strong", "weak", "unused"])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 4}, data, 10)
    gain = dict(zip(booster.feature_name(), booster.feature_importance("gain"), strict=True))
    shares = gain_shares(booster.model_to_string(), booster.feature_name())
    assert next(iter(shares)) == "strong" and sum(shares.values()) == pytest.approx(1)
    assert shares == pytest.approx({name: value / sum(gain.values()) for name, value in gain.items()}, abs=1e-4)


def test_a_model_without_a_split_gives_zeros() -> None:
    assert gain_shares("split_feature=\nsplit_gain=\nend of trees\n", ["a", "b"]) == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize("task", data.TASKS)
def test_contributions_and_one_number_a_class_are_the_margin(task: Task, tmp_path: Path) -> None:
    frame = data.rows(task)
    config = TRAINER.config(LightGBM(rounds=20, min_data_in_leaf=5), task)
    model = TRAINER.fit(data.stored(tmp_path, task, frame), config, threads=1)
    rows = data.part(frame, "holdout")
    scores = model.predict(rows).reshape(rows.height, -1)
    links: dict[Task, Callable[[Any], Any]] = {
        "binary": lambda p: np.log(p / (1 - p)),
        "multiclass": np.log,
        "regression": lambda value: value,
    }
    margins = links[task](scores)
    contributions = model.contributions(rows)
    assert contributions.shape == (rows.height, max(1, len(model.signature.classes)), len(data.COLUMNS))
    rest = margins - contributions.sum(axis=2)
    # The softmax forgets a number that all classes of a row have in common.
    rest -= rest.mean(axis=1, keepdims=True) if task == "multiclass" else 0
    assert np.allclose(rest, rest[0])
    assert model.contributions(rows.head(0)).shape == (0, *contributions.shape[1:])
