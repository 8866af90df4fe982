"""Weights of examples by their class, for every classifier (S61)."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models.class_weights import LearntWeights, weights_config
from ml_platform.models.registry import trainer_of
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.composed_trainers import Calibrated
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform_tests.examples import tries
from ml_platform_tests.models import data

_LOGISTIC = "sklearn.linear_model.LogisticRegression"


def _words(**weights: Any) -> list[Any]:
    return [
        LightGBM(rounds=20, **weights),
        XGBoost(rounds=20, **weights),
        Linear(**weights),
        ScikitLearn(_LOGISTIC, **weights),
    ]


def _fit(folder: Path, word: Any, task: Any, frame: pl.DataFrame) -> Any:
    trainer = trainer_of(word)
    return trainer.fit(data.stored(folder, task, frame), trainer.config(word, task), threads=1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
@settings(max_examples=tries(60))
def test_balanced_weights_are_those_of_a_naive_count(labels: list[int]) -> None:
    classes = [str(code) for code in range(4)]
    weights = LearntWeights({"class_weights": "balanced"}, np.array(labels, float), classes).of(np.array(labels, float))
    assert weights is not None
    assert weights.tolist() == [len(labels) / (4 * labels.count(label)) for label in labels]
    assert np.isclose(weights.sum(), len(labels) * len(set(labels)) / 4)


@pytest.mark.parametrize("at", range(4))
def test_weighting_a_class_is_repeating_its_examples(at: int, tmp_path: Path) -> None:
    """Of trees only nearly: bins are made of the rows as they are."""
    frame = data.rows("binary", 400)
    true = pl.col("_label") & (pl.col("_part") == "train")
    repeated = pl.concat([frame, frame.filter(true), frame.filter(true)])
    weighted = _fit(tmp_path, _words(class_weights={True: 3.0})[at], "binary", frame)
    doubled = _fit(tmp_path, _words()[at], "binary", repeated)
    plain = _fit(tmp_path, _words()[at], "binary", frame)
    rows = data.part(frame, "holdout")
    one, other, before = (model.predict(rows) for model in (weighted, doubled, plain))
    assert np.abs(one - other).mean() < np.abs(one - before).mean() / 2
    assert one.mean() > before.mean()
    assert weighted.report.parameters["class weights"] == "False 1, True 3"


@pytest.mark.parametrize("at", range(4))
def test_balanced_classes_of_a_multiclass_label(at: int, tmp_path: Path) -> None:
    frame = data.rows("multiclass", 600).filter((pl.col("_label") != "poor") | (pl.int_range(pl.len()) % 3 == 0))
    balanced = _fit(tmp_path, _words(class_weights="balanced")[at], "multiclass", frame)
    plain = _fit(tmp_path, _words()[at], "multiclass", frame)
    rows, poor = data.part(frame, "holdout"), balanced.signature.classes.index("poor")
    assert balanced.predict(rows)[:, poor].mean() > plain.predict(rows)[:, poor].mean()
    assert balanced.predict_row(rows.row(0, named=True)) == balanced.predict(rows.head(1))[0].tolist()


def test_calibrating_moves_weighted_probabilities_back(tmp_path: Path) -> None:
    frame = data.rows("binary", 3000)
    rows = data.part(frame, "holdout")
    share = rows["_label"].cast(pl.Float64).mean()
    weighted = _fit(tmp_path, Linear(class_weights={True: 20.0}), "binary", frame)
    calibrated = _fit(tmp_path, Calibrated(Linear(class_weights={True: 20.0})), "binary", frame)
    assert abs(weighted.predict(rows).mean() - share) > 0.15
    assert abs(calibrated.predict(rows).mean() - share) < 0.05


def test_no_weights_are_no_part_of_a_key_and_weights_are() -> None:
    for plain, weighted in zip(_words(), _words(class_weights="balanced"), strict=True):
        assert "class_weights" not in canonical(plain)
        assert content_key(plain) != content_key(weighted)
        assert "class_weights" not in trainer_of(plain).config(plain, "binary")
    assert weights_config(None, {}) == {}


def test_wrong_weights_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="needs classes, and the label is a number"):
        Linear(class_weights="balanced").check("regression", "here")
    with pytest.raises(DeclarationError, match="names 'yes', and the label is binary"):
        LightGBM(class_weights={"yes": 2.0}).check("binary", "here")
    with pytest.raises(DeclarationError, match=r"True: 0.0.* is not above 0"):
        XGBoost(class_weights={True: 0.0}).check("binary", "here")
    with pytest.raises(TrainingError, match="names 'god', which no training example is"):
        _fit(tmp_path, Linear(class_weights={"god": 2.0}), "multiclass", data.rows("multiclass"))
    analysis = ScikitLearn("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", class_weights="balanced")
    with pytest.raises(TrainingError, match="takes no weights of examples"):
        trainer_of(analysis).config(analysis, "binary")
    twice = ScikitLearn(_LOGISTIC, class_weights="balanced", class_weight="balanced")
    with pytest.raises(TrainingError, match="would multiply"):
        trainer_of(twice).config(twice, "binary")
