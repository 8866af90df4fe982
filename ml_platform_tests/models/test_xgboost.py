"""XGBoost as the platform fits it: its parameters, its float32, and what is particular to its library."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models.xgboost import TRAINER, XGBoostModel
from ml_platform.models.xgboost_dataset import binned, in_chunks, singles
from ml_platform.models.xgboost_library import xgboost_library
from ml_platform.models.xgboost_parameters import EXTRA, OBJECTIVES
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import XGBoost
from ml_platform_tests.models import data

_IMPORTS = """
import sys
from ml_platform.models.xgboost_library import xgboost_library
own = xgboost_library()
assert own is xgboost_library() and not {"sklearn", "pandas", "xgboost"} & set(sys.modules)
import xgboost, sklearn.base
assert issubclass(xgboost.XGBClassifier, sklearn.base.ClassifierMixin)
"""
_PARAMETERS: dict[str, Any] = {
    "objective": "reg:squarederror",
    "eval_metric": "mae",
    "gamma": 0.1,
    "max_delta_step": 1,
    "subsample": 0.9,
    "colsample_bytree": 0.9,
    "colsample_bylevel": 0.9,
    "colsample_bynode": 0.9,
    "lambda": 2,
    "alpha": 0.1,
    "scale_pos_weight": 1.5,
    "grow_policy": "lossguide",
    "max_leaves": 7,
    "max_bin": 64,
    "num_parallel_tree": 2,
    "max_cat_to_onehot": 2,
    "max_cat_threshold": 8,
    "tweedie_variance_power": 1.2,
    "huber_slope": 2.0,
    "quantile_alpha": 0.7,
}


def fit(folder: Path, task: Task, frame: pl.DataFrame | None = None, threads: int = 1, **declared: Any) -> XGBoostModel:
    word = XGBoost(**{"rounds": 20, **declared})
    return TRAINER.fit(data.stored(folder, task, frame), TRAINER.config(word, task), threads=threads)


def test_the_import_leaves_scikit_learn_and_pandas_out_and_the_users_own_xgboost_whole() -> None:
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"subsmaple": 0.5}, "no parameter 'subsmaple'.*'subsample'"),
        ({"nonsense": 1}, "no parameter 'nonsense'.*Allowed: objective"),
        ({"eta": 0.1}, "'eta', which the platform sets"),
        ({"device": "cuda"}, "'device', which the platform sets"),
        ({"lambda": 1, "reg_lambda": 2}, "'lambda' twice"),
        ({"eval_metric": ["mae", "rmse"]}, "a number or a text"),
        ({"objective": "binary:hinge"}, "is none of a regression task"),
        ({"objective": "reg:quantileerror"}, "needs a quantile"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_name(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        TRAINER.config(XGBoost(extra=extra), "regression")


def test_a_value_that_xgboost_refuses_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"XGBoost refuses: value 7 for Parameter subsample") as refused:
        fit(tmp_path, "binary", extra={"subsample": 7.0})
    assert "Stack trace" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"max_depth": 0}, {"learning_rate": 0.0}, {"rounds": 0}, {"seed": -1}])
def test_a_value_out_of_range_is_refused_as_it_is_declared(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=next(iter(wrong))):
        XGBoost(**wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("objective", [name for names in OBJECTIVES.values() for name in names])
def test_xgboost_knows_every_parameter_and_objective_that_a_declaration_may_pass_on(objective: str) -> None:
    """It warns of the others: a parameter of the loss with another objective, and leaves where depth rules."""
    own = {"reg:tweedie": "tweedie_variance_power", "reg:pseudohubererror": "huber_slope"}
    own |= {"reg:quantileerror": "quantile_alpha"}
    of_losses = {*own.values()} - {own.get(objective, "")}
    used = {name: value for name, value in _PARAMETERS.items() if name not in of_losses} | {"objective": objective}
    if objective != "binary:logistic":
        used.pop("scale_pos_weight")
    classes = {"num_class": 2} if objective == "multi:softprob" else {}
    library = xgboost_library()
    labels = np.arange(20) % 2 + (objective in OBJECTIVES["regression"])
    rows = library.QuantileDMatrix(np.arange(40.0).reshape(20, 2), label=labels, max_bin=64)
    library.train({**used, **classes, "tree_method": "hist", "verbosity": 1}, rows, 1)
    with pytest.warns(UserWarning, match="nonsense"):
        library.train({"nonsense": 1, "max_bin": 64, "verbosity": 1}, rows, 1)
    assert set(_PARAMETERS) == set(EXTRA)


def test_early_stopping_keeps_the_best_rounds_and_reports_their_evaluation(tmp_path: Path) -> None:
    model = fit(tmp_path, "regression", rounds=200, early_stopping=5, extra={"eval_metric": "mae"})
    rounds = model.report.parameters["rounds"]
    assert 1 < rounds < 200
    held = data.part(data.rows("regression"), "validation")
    error = np.abs(model.predict(held) - held["_label"].to_numpy()).mean()
    assert model.report.evaluations["mae"] == pytest.approx(error, rel=1e-4)
    again = fit(tmp_path, "regression", rounds=rounds, extra={"eval_metric": "mae"})
    assert again.predict(held).tobytes() == model.predict(held).tobytes()


def test_a_class_that_train_lacks_does_not_evaluate(tmp_path: Path) -> None:
    frame = data.rows("multiclass").filter((pl.col("_part") != "train") | (pl.col("_label") != "poor"))
    model = fit(tmp_path, "multiclass", frame, early_stopping=5)
    assert model.signature.classes == ("bad", "good") and model.report.evaluations
    only = frame.filter((pl.col("_part") != "validation") | (pl.col("_label") == "poor"))
    with pytest.raises(TrainingError, match="nothing can stop early"):
        fit(tmp_path, "multiclass", only, early_stopping=5)


@pytest.mark.parametrize("task", data.TASKS)
def test_rows_in_chunks_are_binned_as_rows_in_memory(task: Task, tmp_path: Path) -> None:
    config = TRAINER.config(XGBoost(rounds=10, early_stopping=3), task)
    stored = replace(data.stored(tmp_path, task, data.rows(task, count=3000)), chunk=700)
    models = [TRAINER.fit(replace(stored, in_memory=values), config, threads=1) for values in (0, 10**9)]
    assert models[0].to_bytes() == models[1].to_bytes()
    assert len(in_chunks(stored).rows("train").chunks) == 5


def test_a_chunk_that_cannot_be_read_is_the_error_itself(tmp_path: Path) -> None:
    stored = in_chunks(data.stored(tmp_path, "binary"))
    signature = fit(tmp_path, "binary").signature
    rows = replace(stored, columns={**stored.columns}).rows("train")
    broken = replace(rows, chunks=[(count, chunk.drop("km")) for count, chunk in rows.chunks])
    with pytest.raises(Exception, match="lack km"):
        binned(broken, np.zeros(540), signature, {"nthread": 1})


@pytest.mark.parametrize(("offset", "factor"), [(1e9, 1.0), (0.0, 1e-6), (0.0, 1e20), (-5e12, 1e-2)])
def test_labels_that_float32_cannot_hold_are_learnt_as_well_as_others(
    offset: float, factor: float, tmp_path: Path
) -> None:
    frame = data.rows("regression")
    moved = frame.with_columns(_label=pl.col("_label") * factor + offset)
    held = data.part(frame, "holdout")
    plain, scores = fit(tmp_path, "regression").predict(held), fit(tmp_path, "regression", moved).predict(held)
    residuals = (scores - offset) / factor - held["_label"].to_numpy()
    assert np.std(residuals) < 1.1 * np.std(plain - held["_label"].to_numpy())


def test_an_objective_that_means_something_else_of_moved_labels_is_refused(tmp_path: Path) -> None:
    far = data.rows("regression").with_columns(_label=pl.col("_label").abs() + 1e12)
    with pytest.raises(TrainingError, match="reg:gamma"):
        fit(tmp_path, "regression", far, extra={"objective": "reg:gamma"})


def test_numbers_beyond_float32_are_its_largest_and_nan_stays_missing() -> None:
    largest = float(np.finfo(np.float32).max)
    assert singles(np.array([1e300, -np.inf, 0.5])).tolist() == [largest, -largest, 0.5]
    assert np.isnan(singles(np.array([np.nan])))[0]


@pytest.mark.parametrize("task", data.TASKS)
def test_contributions_and_a_mean_sum_up_to_the_margin(task: Task, tmp_path: Path) -> None:
    model, holdout = fit(tmp_path, task), data.part(data.rows(task), "holdout")
    totals, scores = model.contributions(holdout).sum(axis=2), model.predict(holdout)
    margins = {"binary": lambda s: np.log(s / (1 - s))[:, None], "regression": lambda s: s[:, None]}
    if task == "multiclass":  # margins of a softmax are known up to a constant of the row
        totals, margin = totals - totals[:, :1], np.log(scores / scores[:, :1])
    else:
        margin = margins[task](scores)
    assert np.ptp(margin - totals, axis=0).max() < 1e-3
    assert model.contributions(holdout.clear()).shape == (0, totals.shape[1], len(data.COLUMNS))


def test_threads_score_rows_of_one_model_at_once(tmp_path: Path) -> None:
    model, rows = fit(tmp_path, "multiclass"), list(data.rows("multiclass", count=200).iter_rows(named=True))
    expected = [model.predict_row(row) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: [model.predict_row(row) for row in rows], range(8)):
            assert scores == expected
