"""scikit-learn's estimators behind the contract: what is declared, refused, stored and loaded."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from ml_platform.errors import BlobError, DeclarationError, TrainingError
from ml_platform.models.sklearn import TRAINER, ScikitLearnModel
from ml_platform.models.sklearn_bytes import TRUSTED, loaded
from ml_platform.spec.canonical import content_key
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.tasks import Task
from ml_platform_tests.models import data
from ml_platform_tests.scenario import labelled_trips

_FIT = """
import sys
from pathlib import Path
from ml_platform.models.sklearn import TRAINER
from ml_platform.models.training_data import TrainingData
from ml_platform_tests.models import data

for estimator in sys.argv[2:]:
    stored = TrainingData(Path(sys.argv[1]), "binary", data.COLUMNS)
    print(TRAINER.fit(stored, {"parameters": {"estimator": estimator, "random_state": 0}}).to_bytes().hex())
"""


def fit(folder: Path, task: Task, name: str, frame: pl.DataFrame | None = None, **parameters: Any) -> ScikitLearnModel:
    declared = ScikitLearn(f"sklearn.{name}", **parameters)
    return TRAINER.fit(data.stored(folder, task, frame), TRAINER.config(declared, task), threads=1)


def test_arguments_by_name_are_the_estimators_and_part_of_the_content_key() -> None:
    declared = ScikitLearn("sklearn.linear_model.LogisticRegression", C=0.5, class_weight="balanced")
    assert (declared.parameters, declared.seed) == ({"C": 0.5, "class_weight": "balanced"}, 0)
    other = ScikitLearn("sklearn.linear_model.LogisticRegression", C=0.25, class_weight="balanced")
    assert content_key(declared) != content_key(other)
    assert declared.__class__(declared.estimator, parameters={"C": 1.0}, max_iter=9).parameters == {
        "C": 1.0,
        "max_iter": 9,
    }


@pytest.mark.parametrize(
    "name", ["os.system", "sklearn.pipeline.Pipeline", "sklearn.svm", "LogisticRegression", "sklearn.svm.a b"]
)
def test_only_classes_of_allowed_modules_are_declared(name: str) -> None:
    with pytest.raises(DeclarationError, match="no class of an allowed module"):
        ScikitLearn(name)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"random_state": 3}, "random_state= is the platform's.*seed"),
        ({"n_jobs": 2}, "n_jobs="),
        ({"estimator_": object()}, "plain value"),
        ({"C": float("nan")}, "plain value"),
    ],
)
def test_arguments_are_plain_values_that_the_platform_does_not_set(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        ScikitLearn("sklearn.linear_model.LogisticRegression", **parameters)


@pytest.mark.parametrize(
    ("label", "name", "message"),
    [
        ("binary", "svm.LinearSVC", "LinearSVC has no predict_proba"),
        ("multiclass", "linear_model.RidgeClassifier", "RidgeClassifier has no predict_proba"),
        ("binary", "ensemble.RandomForestRegressor", "is a regressor, and the label makes a binary task"),
        ("binary", "linear_model.LassoCV", None),
        ("regression", "ensemble.RandomForestClassifier", "is a classifier"),
    ],
)
def test_what_cannot_answer_the_label_is_refused_as_it_is_declared(label: str, name: str, message: str | None) -> None:
    if message is None:  # what its name does not tell is refused before training
        with pytest.raises(TrainingError, match="LassoCV is no classifier"):
            TRAINER.config(ScikitLearn(f"sklearn.{name}"), "binary")
        return
    with pytest.raises(DeclarationError, match=message):
        labelled_trips.pipeline(label, trainer=ScikitLearn(f"sklearn.{name}"))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("linear_model.LogisticRegression", {"max_itre": 5}, "no parameter 'max_itre'.*'max_iter'"),
        ("linear_model.LogisticRegresion", {}, "no class LogisticRegresion.*LogisticRegression"),
        ("linear_model.SGDClassifier", {}, "no predict_proba with these parameters"),
        ("ensemble.StackingClassifier", {}, "estimators"),
        ("svm.Zzz", {}, r"sklearn\.svm has no class Zzz\. It has .*NuSVC"),
    ],
)
def test_what_only_the_class_can_tell_is_refused_before_training(
    name: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        TRAINER.config(ScikitLearn(f"sklearn.{name}", **parameters), "binary")


def test_a_value_that_the_estimator_refuses_is_a_training_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="refuses: The 'C' parameter"):
        fit(tmp_path, "binary", "linear_model.LogisticRegression", C=-1.0)


def test_probabilities_are_those_of_the_estimator_on_the_same_matrix(tmp_path: Path) -> None:
    frame = data.rows("binary").with_columns(blank=pl.lit(None, pl.String))
    holdout = data.part(frame, "holdout")
    model = fit(tmp_path, "binary", "linear_model.LogisticRegression", frame, max_iter=500)
    train = data.part(frame, "train")

    def matrix(rows: pl.DataFrame) -> Any:
        numbers = ["km", "riders", "rush", "same", "empty"]
        columns = []
        for name in numbers:
            there = train[name].cast(pl.Float64).drop_nulls()
            mean = there.mean() if len(there) else 0.0
            deviation = (there.std(ddof=0) or 1.0) if len(there) else 1.0
            columns.append(((rows[name].cast(pl.Float64) - mean) / deviation).fill_null(0.0))
        missing = [rows[name].is_null().cast(pl.Float64) for name in ("km", "rush")]
        cities = [(rows["city"] == city).fill_null(False).cast(pl.Float64) for city in data.CITIES]
        return np.column_stack([*columns, *missing, *cities])

    oracle = LogisticRegression(max_iter=500).fit(matrix(train), train["_label"].to_numpy())
    expected = oracle.predict_proba(matrix(holdout))[:, 1]
    np.testing.assert_allclose(model.predict(holdout), expected, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "discriminant_analysis.LinearDiscriminantAnalysis",
        "ensemble.GradientBoostingClassifier",
        "ensemble.AdaBoostClassifier",
        "naive_bayes.GaussianNB",
        "tree.DecisionTreeClassifier",
    ],
)
def test_other_estimators_are_stored_loaded_and_score_a_row_as_its_batch(name: str, tmp_path: Path) -> None:
    small = {"n_estimators": 5} if name.startswith("ensemble") else {}
    model = fit(tmp_path, "multiclass", name, **small)
    again = ScikitLearnModel.from_bytes(model.to_bytes(), model.signature)
    rows = data.rows("multiclass", seed=3).head(60)
    singles = np.array([again.predict_row(row) for row in rows.iter_rows(named=True)])
    assert model.predict(rows).tobytes() == singles.tobytes()
    assert fit(tmp_path, "multiclass", name, **small).to_bytes() == model.to_bytes()


@pytest.mark.slow  # two processes that import scikit-learn and skops
def test_the_bytes_do_not_depend_on_the_process_nor_on_the_threads_of_blas(tmp_path: Path) -> None:
    data.rows("binary").write_parquet(tmp_path / "training_set.parquet")
    names = ("linear_model.LogisticRegression", "neural_network.MLPClassifier", "tree.DecisionTreeClassifier")
    written = {
        subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                _FIT,
                tmp_path / "training_set.parquet",
                *(f"sklearn.{n}" for n in names),
            ],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(written) == 1


def test_bytes_that_hold_another_type_are_not_loaded(tmp_path: Path) -> None:
    class Other:
        pass

    stranger = LogisticRegression()
    stranger.hidden = Other()
    with pytest.raises(BlobError, match="not loaded"):
        loaded(skops_io.dumps(stranger))
    assert all(name.startswith("sklearn.") for name in TRUSTED)


def test_texts_of_too_many_categories_are_refused_by_name(tmp_path: Path) -> None:
    frame = data.rows("binary", count=3000).with_columns(city=pl.int_range(pl.len()).cast(pl.String))
    with pytest.raises(TrainingError, match="categories together, 1,800 of them in city"):
        fit(tmp_path, "binary", "linear_model.LogisticRegression", frame)


@pytest.mark.parametrize("value", [1e308, float("inf"), None])
def test_histograms_see_numbers_of_any_size(value: float | None, tmp_path: Path) -> None:
    frame = data.rows("regression").with_columns(same=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit(value)))
    model = fit(tmp_path, "regression", "ensemble.HistGradientBoostingRegressor", frame, max_iter=5)
    assert np.isfinite(model.predict(frame)).all()
