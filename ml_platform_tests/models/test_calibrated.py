"""Calibrated probabilities against scikit-learn's, and on which rows they are fitted."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models import calibrated as calibrated_models
from ml_platform.models.calibrated import CalibratedModel, calibrated
from ml_platform.models.calibration import Isotonic, Sigmoid
from ml_platform.models.lightgbm import LightGBMModel
from ml_platform.models.protocol import Contributing
from ml_platform.models.registry import trainer_of
from ml_platform.spec.composed_trainers import Calibrated, Choose
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform_tests.models import data
from ml_platform_tests.scenario import labelled_trips

Array = npt.NDArray[np.float64]
_TRAINER = calibrated_models.TRAINER


class LogOdds(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose decision is the log-odds of its only column."""

    def fit(self, probabilities: Array, labels: Array) -> "LogOdds":
        self.classes_ = np.unique(labels)
        self.n_features_in_ = 1
        return self

    def decision_function(self, probabilities: Array) -> Array:
        return np.log(probabilities[:, 0]) - np.log1p(-probabilities[:, 0])

    def predict(self, probabilities: Array) -> Array:
        return self.classes_[(probabilities[:, 0] > 0.5).astype(int)]


def scored(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Probabilities that are too sure of themselves, and labels."""
    random = np.random.default_rng(seed)
    margins = random.normal(0, 3, count)
    labels = random.random(count) < 1 / (1 + np.exp(-(margins / 3 - 1)))
    return np.round(1 / (1 + np.exp(-margins)), 4).clip(0.0001, 0.9999), labels.astype(np.float64)


def test_the_sigmoid_is_that_of_scikit_learn() -> None:
    probabilities, labels = scored(2000)
    frozen = FrozenEstimator(LogOdds().fit(probabilities[:, None], labels))
    oracle = CalibratedClassifierCV(frozen, method="sigmoid", ensemble=False).fit(probabilities[:, None], labels)
    at = np.linspace(0.001, 0.999, 400)
    expected = oracle.predict_proba(at[:, None])[:, 1]
    np.testing.assert_allclose(Sigmoid.fitted(probabilities, labels).of(at), expected, atol=1e-5)


@given(st.lists(st.tuples(st.sampled_from(np.linspace(0, 1, 12).tolist()), st.booleans()), min_size=1, max_size=60))
def test_the_rising_line_is_that_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    probabilities, labels = np.array([p for p, _ in pairs]), np.array([float(label) for _, label in pairs])
    oracle = IsotonicRegression(out_of_bounds="clip").fit(probabilities, labels)
    at = np.linspace(0, 1, 101)
    calibration = Isotonic.fitted(probabilities, labels)
    least = 1 / (len(labels) + 2)  # scikit-learn's are certain where no example says otherwise
    ends = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(probabilities, labels)
    np.testing.assert_allclose(calibration.of(at), ends.predict(at), atol=1e-12)
    np.testing.assert_allclose(calibration.of(at), oracle.predict(at), atol=least + 1e-12)
    assert (np.diff(calibration.of(at)) >= 0).all()
    assert (
        np.concatenate([calibration.of(at[k : k + 1]) for k in range(len(at))]).tobytes()
        == calibration.of(at).tobytes()
    )


def fit(folder: Path, declared: Calibrated, frame: pl.DataFrame | None = None) -> Any:
    return _TRAINER.fit(data.stored(folder, "binary", frame), _TRAINER.config(declared, "binary"), threads=1)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_probabilities_become_the_shares_that_they_stand_for(
    method: Literal["sigmoid", "isotonic"], tmp_path: Path
) -> None:
    frame = data.rows("binary", count=8000)
    sure = LightGBM(rounds=300, learning_rate=0.3)  # it overfits, and is too sure of itself
    plain = trainer_of(sure).fit(data.stored(tmp_path, "binary", frame), trainer_of(sure).config(sure, "binary"))
    model, held = fit(tmp_path, Calibrated(sure, method), frame), data.part(frame, "holdout")
    labels = held["_label"].to_numpy()

    def log_loss(scores: Array) -> float:
        inside = scores.clip(1e-9, 1 - 1e-9)
        return float(-np.mean(np.where(labels, np.log(inside), np.log(1 - inside))))

    assert log_loss(model.predict(held)) < log_loss(plain.predict(held)) - 0.1
    order = np.argsort(plain.predict(held), kind="stable")
    assert (np.diff(model.predict(held)[order]) >= 0).all()
    assert model.importance() == plain.importance()
    assert model.report.parameters["calibration"] == method


def test_a_model_that_explains_itself_does_so_calibrated(tmp_path: Path) -> None:
    trees, line = fit(tmp_path, Calibrated(LightGBM(rounds=5))), fit(tmp_path, Calibrated(Linear()))
    assert isinstance(trees, Contributing) and not isinstance(line, Contributing)
    assert trees.contributions(data.rows("binary").head(3)).shape == (3, 1, len(data.COLUMNS))
    assert (trees.format, trees.libraries) == ("calibrated-lightgbm-text", ("lightgbm",))
    assert calibrated(LightGBMModel) is type(trees) and issubclass(type(trees), CalibratedModel)


def test_a_trainer_that_looks_at_validation_sees_its_earlier_half_and_the_map_the_later(tmp_path: Path) -> None:
    stored = data.stored(tmp_path, "binary")
    all_rows = stored.part("validation")
    earlier, later = stored.halves()
    assert pl.concat([earlier.part("validation"), later.part("validation")]).equals(all_rows)
    assert earlier.part("validation").height == all_rows.height // 2
    assert earlier.part("train").equals(stored.part("train"))
    for half in (earlier, later):
        rows = replace(half, in_memory=0, chunk=77).rows("validation")
        assert pl.concat([chunk.collect() for _, chunk in rows.chunks]).equals(half.part("validation"))
        assert sum(count for count, _ in rows.chunks) == half.part("validation").height
    stopping = LightGBM(rounds=200, early_stopping=5)
    rounds = (
        trainer_of(stopping).fit(earlier, trainer_of(stopping).config(stopping, "binary")).report.parameters["rounds"]
    )
    for declared, count, kept in (
        (Calibrated(stopping), later.part("validation").height, rounds),
        (Calibrated(LightGBM()), all_rows.height, 100),
    ):
        parameters = fit(tmp_path, declared).report.parameters
        assert (parameters["calibrated on"], parameters["rounds"]) == (count, kept)


def test_a_choice_is_calibrated_after_it_is_made(tmp_path: Path) -> None:
    model = fit(tmp_path, Calibrated(Choose([LightGBM(rounds=1, learning_rate=0.01), XGBoost(rounds=20)]), "isotonic"))
    assert model.format == "calibrated-xgboost-ubjson"
    assert (model.report.parameters["chosen"], model.report.parameters["calibrated on"]) == ("XGBoost", 90)


def test_labels_of_one_kind_calibrate_nothing(tmp_path: Path) -> None:
    one = pl.when(pl.col("_part") == "validation").then(pl.lit(True)).otherwise("_label")
    with pytest.raises(TrainingError, match="do not have both labels"):
        fit(tmp_path, Calibrated(LightGBM(rounds=2)), data.rows("binary").with_columns(_label=one))


@pytest.mark.parametrize("label", ["multiclass", "regression"])
def test_only_a_boolean_label_is_calibrated(label: str) -> None:
    with pytest.raises(DeclarationError, match="needs a Boolean label"):
        labelled_trips.pipeline(label, trainer=Calibrated(LightGBM()))
