"""Models of several quantiles: what they answer, whatever library fits each level."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models.protocol import Contributing, Quantiled
from ml_platform.models.quantiles import QuantilesModel
from ml_platform.models.registry import model_of_format, trainer_of
from ml_platform.spec.quantiles import Quantiles
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.selection import Select, Selected
from ml_platform.spec.training import LightGBM, XGBoost
from ml_platform.spec.transformed import Transformed
from ml_platform.spec.transforms import Scaled, TargetEncoded
from ml_platform_tests.models import data

LEVELS = (0.1, 0.5, 0.9)
DECLARED = {
    "LightGBM": LightGBM(rounds=40),
    "early stopping": LightGBM(early_stopping=5),
    "XGBoost": XGBoost(rounds=40, max_depth=3),
    "histograms": ScikitLearn("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=15),
    "trees": ScikitLearn("sklearn.ensemble.GradientBoostingRegressor", n_estimators=30),
    "line": ScikitLearn("sklearn.linear_model.QuantileRegressor", alpha=0.0),
}


def fit(folder: Path, declared: Quantiles, frame: pl.DataFrame | None = None) -> QuantilesModel:
    trainer = trainer_of(declared)
    config = trainer.config(declared, "regression")
    model = trainer.fit(data.stored(folder, "regression", frame), config, threads=1)
    assert isinstance(model, QuantilesModel)
    return model


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_each_level_is_near_its_share_of_labels_and_levels_rise(
    declared: LightGBM | XGBoost | ScikitLearn, tmp_path: Path
) -> None:
    model = fit(tmp_path, Quantiles(declared, LEVELS))
    holdout = data.part(data.rows("regression"), "holdout")
    values, labels = model.quantiles(holdout), holdout["_label"].to_numpy()
    assert values.shape == (len(labels), 3) and (np.diff(values, axis=1) >= 0).all()
    below = (labels[:, None] <= values).mean(axis=0)
    assert np.abs(below - LEVELS).max() < 0.15, below
    assert model.predict(holdout).tobytes() == np.ascontiguousarray(values[:, 1]).tobytes()
    again = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    assert isinstance(again, Quantiled) and again.levels == LEVELS
    assert again.quantiles(holdout).tobytes() == values.tobytes() and again.to_bytes() == model.to_bytes()
    rows = [again.quantiles_of_row(row) for row in holdout.iter_rows(named=True)]
    assert np.array(rows).tobytes() == values.tobytes()


def test_levels_that_cross_are_sorted_and_a_row_as_its_batch(tmp_path: Path) -> None:
    model = fit(tmp_path, Quantiles(LightGBM(rounds=60, min_data_in_leaf=2), levels=[0.45, 0.5, 0.55]))
    frame = data.rows("regression", seed=5)
    apart = np.column_stack([each.predict(frame) for each in model._models])
    assert (np.diff(apart, axis=1) < 0).any()
    assert model.quantiles(frame).tobytes() == np.sort(apart, axis=1).tobytes()
    assert not isinstance(model, Contributing)  # what sums up to one level's value may not to that of the sorted one


def test_transforms_stand_before_quantiles_too(tmp_path: Path) -> None:
    declared = Transformed(Quantiles(LightGBM(rounds=20)), [TargetEncoded("city"), Scaled("km")])
    trainer = trainer_of(declared)
    model = trainer.fit(data.stored(tmp_path, "regression"), trainer.config(declared, "regression"), threads=1)
    again = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    holdout = data.part(data.rows("regression"), "holdout")
    assert isinstance(again, Quantiled) and again.levels == LEVELS
    values = again.quantiles(holdout)
    assert (
        np.array([again.quantiles_of_row(row) for row in holdout.iter_rows(named=True)]).tobytes() == values.tobytes()
    )
    assert model.predict(holdout).tobytes() == np.ascontiguousarray(values[:, 1]).tobytes()


def test_a_selection_of_columns_stands_before_quantiles_too(tmp_path: Path) -> None:
    declared = Selected(Quantiles(LightGBM(rounds=20)), Select("importance", keep=2))
    trainer = trainer_of(declared)
    model = trainer.fit(data.stored(tmp_path, "regression"), trainer.config(declared, "regression"), threads=1)
    again = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    holdout = data.part(data.rows("regression"), "holdout")
    assert isinstance(again, Quantiled) and again.levels == LEVELS
    assert model.predict(holdout).tobytes() == np.ascontiguousarray(again.quantiles(holdout)[:, 1]).tobytes()


def test_labels_far_from_zero_are_moved_for_every_level(tmp_path: Path) -> None:
    frame = data.rows("regression").with_columns(pl.col("_label") + 1e9)
    model = fit(tmp_path, Quantiles(LightGBM(rounds=40)), frame)
    assert model.format == "quantiles-lightgbm-moved"
    holdout = data.part(frame, "holdout")
    values = model.quantiles(holdout)
    inside = (holdout["_label"].to_numpy() >= values[:, 0]) & (holdout["_label"].to_numpy() <= values[:, 2])
    assert 0.6 < inside.mean() < 0.95


def test_the_report_has_the_levels_and_each_level_s_evaluation(tmp_path: Path) -> None:
    report = fit(tmp_path, Quantiles(LightGBM(rounds=20, early_stopping=5))).report
    assert report.parameters["levels"] == "0.1, 0.5, 0.9"
    assert set(report.evaluations) == {"quantile at 0.1", "quantile at 0.5", "quantile at 0.9"}


@pytest.mark.parametrize(
    ("trainer", "levels", "what"),
    [
        (LightGBM(), [0.1, 0.9], "lack the median"),
        (LightGBM(), [0.5], "1 levels are declared"),
        (LightGBM(), [0.9, 0.5, 0.1], "do not rise"),
        (LightGBM(), [0.5, 0.5, 0.9], "do not rise"),
        (LightGBM(), [0.0, 0.5], "not all between 0 and 1"),
        (LightGBM(), [0.5, float("nan")], "not all between 0 and 1"),
        (LightGBM(), [*np.linspace(0.001, 0.49, 99).tolist(), 0.5], "100 levels are declared"),
        (LightGBM(extra={"objective": "huber"}), LEVELS, "sets objective"),
        (ScikitLearn("sklearn.linear_model.Ridge"), LEVELS, "Ridge has no quantile loss"),
        (ScikitLearn("sklearn.linear_model.QuantileRegressor", quantile=0.3), LEVELS, "sets quantile"),
    ],
)
def test_levels_and_trainers_that_make_no_quantiles_are_refused(
    trainer: LightGBM | ScikitLearn, levels: list[float], what: str
) -> None:
    with pytest.raises(DeclarationError, match=what):
        Quantiles(trainer, levels)


def test_a_label_that_is_no_number_has_no_quantiles() -> None:
    declared = Quantiles(LightGBM())
    with pytest.raises(DeclarationError, match="needs a number as label, and this one makes a binary task"):
        declared.check("binary", "orders")
    with pytest.raises(TrainingError, match="A multiclass task has no quantiles"):
        trainer_of(declared).config(declared, "multiclass")
