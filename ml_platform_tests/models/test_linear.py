"""The linear model against scikit-learn, and what it does with what a linear model cannot take."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_platform.errors import DeclarationError
from ml_platform.models.lbfgs import minimised
from ml_platform.models.linear import TRAINER, LinearModel
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import Linear
from ml_platform_tests.models import data
from ml_platform_tests.models.data import TASKS

L2 = (0.01, 1.0, 100.0)
_FIT = """
import sys
from pathlib import Path
from ml_platform.models.linear import TRAINER
from ml_platform_tests.models import data
from ml_platform.models.training_data import TrainingData

fitted = TRAINER.fit(TrainingData(Path(sys.argv[1]), "binary", data.COLUMNS), {"parameters": {"l2": 1.0}})
print(fitted.to_bytes().hex())
"""


def fit(folder: Path, task: Task, frame: pl.DataFrame | None = None, l2: float = 1.0) -> LinearModel:
    return TRAINER.fit(data.stored(folder, task, frame), TRAINER.config(Linear(l2=l2), task))


def encoders(train: pl.DataFrame) -> Any:
    """scikit-learn's own scaling and one-hot, with an indicator for each number that train lacks."""
    numbers, texts = ["km", "riders", "rush"], train.select(pl.col("city").fill_null(""))
    means = {name: train[name].cast(pl.Float64).mean() for name in numbers}

    def filled(frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        return frame.select(pl.col(name).cast(pl.Float64).fill_null(means[name]) for name in numbers).to_numpy()

    present = train.select(pl.col(name).cast(pl.Float64) for name in numbers).to_numpy().astype(float)
    scaler = StandardScaler().fit(present)  # of the values that are there: it skips NaN
    one_hot = OneHotEncoder(categories=[data.CITIES], sparse_output=False, handle_unknown="ignore").fit(
        texts.filter(pl.col("city") != "").to_numpy()
    )

    def design(frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        missing = frame.select(pl.col("km", "rush").is_null()).to_numpy().astype(float)
        cities = one_hot.transform(frame.select(pl.col("city").fill_null("")).to_numpy())
        return np.hstack([scaler.transform(filled(frame)), missing, cities])

    return design


@pytest.mark.parametrize("l2", L2)
@pytest.mark.parametrize("task", TASKS)
def test_scores_are_those_of_scikit_learn(task: Task, l2: float, tmp_path: Path) -> None:
    frame = data.rows(task)
    train, holdout = data.part(frame, "train"), data.part(frame, "holdout")
    design = encoders(train)
    scores = fit(tmp_path, task, frame, l2).predict(holdout)
    if task == "regression":
        oracle = Ridge(alpha=l2).fit(design(train), train["_label"].to_numpy())
        expected = oracle.predict(design(holdout))
    else:
        oracle = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000).fit(design(train), train["_label"].to_numpy())
        expected = oracle.predict_proba(design(holdout))
        expected = expected[:, 1] if task == "binary" else expected
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


def test_a_quadratic_is_minimised_where_its_equations_say() -> None:
    random = np.random.default_rng(3)
    factor, target = random.normal(size=(30, 30)), random.normal(size=30)
    matrix = factor @ factor.T + np.eye(30)
    at, iterations, steepest = minimised(
        lambda x: (float(x @ matrix @ x / 2 - target @ x), matrix @ x - target), target
    )
    np.testing.assert_allclose(at, np.linalg.solve(matrix, target), atol=1e-8)
    assert 0 < iterations < 300 and steepest < 1e-6  # where rounding hides what is lower


def test_a_column_of_thousands_of_categories_costs_no_matrix_of_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 3000, 30_000)
    effects = random.normal(size=3000)
    frame = pl.DataFrame(
        {"tail": codes.astype(str), "_label": effects[codes] + random.normal(size=len(codes)), "_part": "train"}
    )
    frame.write_parquet(tmp_path / "many.parquet")
    many = TrainingData(tmp_path / "many.parquet", "regression", {"tail": "String"})
    fitted = TRAINER.fit(many, {"parameters": {"l2": 1.0}})
    assert np.corrcoef(fitted.predict(frame), effects[codes])[0, 1] > 0.9
    assert fitted.report.parameters["iterations"] < 50


def test_an_unseen_category_is_all_zeros_and_a_number_has_an_indicator_where_train_lacked_it(tmp_path: Path) -> None:
    document = json.loads(fit(tmp_path, "regression").to_bytes())
    columns, (intercept,) = document["columns"], document["intercept"]
    assert columns["km"]["missing"] != [0.0] and columns["rush"]["missing"] != [0.0]
    assert columns["riders"]["missing"] == [0.0]  # train has no row without it
    loaded = fit(tmp_path, "regression")
    average = {name: columns[name]["centre"] for name in ("km", "riders", "same", "empty")}
    row = {**average, "rush": None, "city": "never seen", "blank": None}
    assert loaded.predict_row(row) == pytest.approx(intercept + columns["rush"]["missing"][0])
    average["riders"] = None  # type: ignore[assignment]  # as its mean
    assert loaded.predict_row({**row, **average}) == loaded.predict_row(row)


def test_a_value_beyond_all_measure_counts_as_a_million_deviations(tmp_path: Path) -> None:
    model, row = fit(tmp_path, "binary"), dict.fromkeys(data.COLUMNS)
    far = [model.predict_row({**row, "km": km}) for km in (1e30, 1e308)]
    assert far[0] == far[1] == 1.0


def test_the_bytes_are_plain_numbers_and_do_not_depend_on_the_threads_of_blas(tmp_path: Path) -> None:
    data.rows("binary", count=40_000).write_parquet(tmp_path / "training_set.parquet")
    written = {
        subprocess.run(
            [sys.executable, "-c", _FIT, tmp_path / "training_set.parquet"],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(written) == 1
    assert set(json.loads(bytes.fromhex(written.pop()))) == {"intercept", "columns", "sizes"}


@pytest.mark.parametrize("l2", [0.0, -1.0, float("inf"), float("nan")])
def test_a_penalty_must_be_a_positive_number(l2: float) -> None:
    with pytest.raises(DeclarationError, match="l2"):
        Linear(l2=l2)
