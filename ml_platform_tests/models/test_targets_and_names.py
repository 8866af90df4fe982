"""Targets that float32 would run together, and columns of any name, behind the same protocol."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform import LightGBM, Linear
from ml_platform.errors import TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.models.bundle import Bundle, load, save
from ml_platform.models.moved_targets import Target, target_of
from ml_platform.models.predictor import Predictor
from ml_platform.models.protocol import Contributing, Model
from ml_platform.models.registry import trainer_of
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.training.reproduction import reproduce_here
from ml_platform_tests.models import data

TREES = LightGBM(rounds=30, min_data_in_leaf=5, early_stopping=10)
# Moving the labels: by so much, and times so much.
MOVES = {"an epoch": (1.7e9, 1.0), "far": (-4e12, 3.0), "large": (0.0, 2.0**120), "tiny": (0.0, 2.0**-60)}
HOSTILE = ["Temp [°C]", "a:b", "x,y", "{z}", 'quote"d', "", " ", "a b", "f0", "\n", "😀", "n" * 300]


def fitted(folder: Path, word: DeclaredTrainer, frame: pl.DataFrame, columns: dict[str, str] | None = None) -> Model:
    trainer = trainer_of(word)
    stored = data.stored(folder, "regression", frame, columns)
    return trainer.fit(stored, trainer.config(word, "regression"), threads=1)


def moved(frame: pl.DataFrame, offset: float, factor: float) -> pl.DataFrame:
    return frame.with_columns(pl.col("_label") * factor + offset)


def r2(labels: Any, scores: Any) -> float:
    unit = np.abs(labels - labels.mean()).max()
    off = (labels - scores) / unit
    return 1 - float(np.mean(off**2) / np.var(labels / unit))


@pytest.mark.parametrize("word", [TREES, LightGBM(rounds=30, extra={"objective": "quantile"}), Linear()], ids=str)
@pytest.mark.parametrize("move", MOVES)
def test_a_target_is_learnt_as_well_wherever_it_lies(word: DeclaredTrainer, move: str, tmp_path: Path) -> None:
    frame = data.rows("regression")
    plain = fitted(tmp_path, word, frame)
    other = fitted(tmp_path, word, moved(frame, *MOVES[move]))
    rows, offset, factor = data.part(frame, "holdout"), *MOVES[move]
    labels = rows["_label"].to_numpy()
    expected = r2(labels, plain.predict(rows))
    assert r2(labels * factor + offset, other.predict(rows)) == pytest.approx(expected, abs=2e-3)
    assert [other.predict_row(row) for row in rows.iter_rows(named=True)] == other.predict(rows).tolist()  # S13


def test_contributions_and_evaluations_are_in_units_of_the_label(tmp_path: Path) -> None:
    frame = data.rows("regression")
    rows = data.part(frame, "holdout")
    model = fitted(tmp_path, TREES, moved(frame, 0.0, 2.0**120))
    other = fitted(tmp_path, TREES, moved(frame, 0.0, 2.0**-60))
    assert isinstance(model, Contributing) and isinstance(other, Contributing)
    assert (model.contributions(rows) / 2.0**180 == other.contributions(rows)).all()
    assert model.report.evaluations["l2"] / 2.0**360 == other.report.evaluations["l2"]
    plain = fitted(tmp_path, TREES, frame).report.evaluations["l2"]
    assert model.report.evaluations["l2"] / 2.0**240 == pytest.approx(plain, rel=0.05)


def bundled(model: Model, folder: Path, blobs: Blobs, word: DeclaredTrainer, columns: dict[str, str]) -> Bundle:
    digest = blobs.put_file(folder / "training_set.parquet")
    trainer = trainer_of(word)
    plan = {
        "pipeline": "meters",
        "task": "regression",
        "columns": [list(pair) for pair in columns.items()],
        "training_set": digest,
        "decided_at": "2024-01-01",
        "code_version": trainer.code_version(word, "regression"),
        **trainer.config(word, "regression"),
    }
    versions = {"libraries": {}, "threads": 1}
    return Bundle("meters", model.signature, model.format, model.to_bytes(), "{}", plan, versions)


def test_a_moved_target_survives_its_bundle_and_is_made_again_to_the_same_bytes(tmp_path: Path, blobs: Blobs) -> None:
    frame = moved(data.rows("regression"), 1.7e9, 1.0)
    model = fitted(tmp_path, TREES, frame)
    assert model.format == "lightgbm-moved"  # a reader that does not know it refuses it by name
    bundle = bundled(model, tmp_path, blobs, TREES, data.COLUMNS)
    digest = save(blobs, bundle)
    loaded, rows = load(blobs, digest), data.part(frame, "holdout")
    assert Predictor(loaded).scores(rows).tolist() == model.predict(rows).tolist()
    assert loaded.fitted.importance() == model.importance()
    assert reproduce_here(blobs, bundle.training_set, digest).identical


def test_a_version_from_before_targets_were_moved_is_made_again_as_it_was(tmp_path: Path) -> None:
    trainer, frame = trainer_of(TREES), moved(data.rows("regression"), 1.7e9, 1.0)
    config = {name: value for name, value in trainer.config(TREES, "regression").items() if name != "target"}
    model = trainer.fit(data.stored(tmp_path, "regression", frame), config, threads=1)
    assert model.format == "lightgbm-text"


def test_a_target_that_float32_tells_apart_is_not_touched() -> None:
    for labels in ([1.0, 2.0, 3.0], [1e4, 1e4 + 40, 1e4 - 3], [0.0, 0.0, 0.0, 1.0], [7.0, 7.0]):
        assert target_of(np.array(labels), "regression") == Target()
    assert target_of(np.array([1.7e9, 1.7e9 + 3, 1.7e9 + 90]), "regression") == Target(1.7e9 + 3)


@pytest.mark.parametrize("objective", ["poisson", "gamma", "tweedie", "mape"])
def test_an_objective_that_cannot_be_moved_is_refused_with_its_name(objective: str) -> None:
    with pytest.raises(TrainingError, match=f"float32 cannot tell apart.*{objective}"):
        target_of(np.array([1.7e9, 1.7e9 + 3, 1.7e9 + 90]), objective)


def test_a_metric_that_is_another_one_of_a_moved_target_is_refused(tmp_path: Path) -> None:
    word = LightGBM(rounds=5, early_stopping=2, extra={"metric": "mape"})
    with pytest.raises(TrainingError, match="mape of moved labels is another metric"):
        fitted(tmp_path, word, moved(data.rows("regression"), 1.7e9, 1.0))


@pytest.mark.parametrize("word", [TREES, Linear()], ids=str)
def test_columns_of_any_name_are_learnt_scored_and_explained(
    word: DeclaredTrainer, tmp_path: Path, blobs: Blobs
) -> None:
    frame = data.rows("regression").rename({"km": HOSTILE[0], "city": HOSTILE[1]})
    frame = frame.with_columns(pl.lit(0.5).alias(name) for name in HOSTILE[2:])
    columns = {HOSTILE[0]: "Float64", HOSTILE[1]: "String", "riders": "Int64", **dict.fromkeys(HOSTILE[2:], "Float64")}
    model = fitted(tmp_path, word, frame, columns)
    rows = data.part(frame, "holdout")
    assert set(model.importance()) == set(columns)
    assert {*list(model.importance())[:2]} == {HOSTILE[0], HOSTILE[1]}
    bundle = load(blobs, save(blobs, bundled(model, tmp_path, blobs, word, columns)))
    assert list(bundle.columns) == list(columns)
    scores = Predictor(bundle).scores(rows.select(reversed(rows.columns)))
    assert scores.tolist() == model.predict(rows).tolist()
    assert r2(rows["_label"].to_numpy(), scores) > 0.5
    assert Predictor(bundle).score_row(rows.row(0, named=True)) == scores[0]
    if isinstance(model, Contributing):
        assert model.contributions(rows).shape == (rows.height, 1, len(columns))
