"""Selection of columns (S61): on training and validation examples only, recorded, the same again."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models.registry import model_of_format, trainer_of
from ml_platform.models.selection import _ranks
from ml_platform.spec.canonical import content_key
from ml_platform.spec.composed_trainers import Calibrated
from ml_platform.spec.hashed_text import Hashed
from ml_platform.spec.selection import Select, Selected
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform.spec.transformed import Transformed
from ml_platform_tests.examples import tries
from ml_platform_tests.models import data, test_hashed_text

NOISE = [f"noise{index}" for index in range(8)]
COLUMNS = {"km": "Float64", "twin": "Float64", "city": "String", **dict.fromkeys(NOISE, "Float64")}


def rows(count: int = 1000, seed: int = 5) -> pl.DataFrame:
    """`km` and `city` tell the label, `twin` is `km` in miles; the noise is the label itself in the holdout alone."""
    random = np.random.default_rng(seed)
    frame = data.rows("binary", count, seed).with_columns(
        pl.col("km").fill_null(8.0), *(pl.Series(name, random.random(count)) for name in NOISE)
    )
    leak = pl.when(pl.col("_part") == "holdout").then(pl.col("_label").cast(pl.Float64))
    return frame.with_columns(twin=pl.col("km") / 1.6, **{name: leak.otherwise(name) for name in NOISE})


def fit(folder: Path, select: Select, frame: pl.DataFrame, trainer: Any = LightGBM(rounds=15)) -> Any:  # noqa: B008  # a frozen word
    declared: Any = Selected(trainer, select)
    learner = trainer_of(declared)
    return learner.fit(data.stored(folder, "binary", frame, COLUMNS), learner.config(declared, "binary"), threads=1)


def kept(model: Any) -> list[str]:
    return [choice.column for choice in model.selection if choice.kept]


@pytest.mark.parametrize("trainer", [LightGBM(rounds=15), XGBoost(rounds=15), Linear(), Calibrated(Linear())], ids=str)
def test_noise_that_is_the_label_in_the_holdout_alone_is_dropped_by_permutation(trainer: Any, tmp_path: Path) -> None:
    model = fit(tmp_path, Select(by="permutation", threshold=0.05), rows(3000), trainer)
    assert not set(kept(model)) & set(NOISE)
    assert set(kept(model)) & {"km", "twin"}


@pytest.mark.parametrize(
    "select",
    [Select(by="importance", keep=3), Select(by="permutation", keep=3), Select(by="correlation", threshold=0.95)],
    ids=lambda select: select.by,
)
def test_nothing_of_the_holdout_moves_a_choice_or_a_byte(select: Select, tmp_path: Path) -> None:
    frame = rows()
    holdout = pl.col("_part") == "holdout"
    other = frame.with_columns(
        *(pl.when(holdout).then(pl.lit(-1.0)).otherwise(name).alias(name) for name in ("km", *NOISE)),
        _label=pl.when(holdout).then(~pl.col("_label")).otherwise("_label"),
    )
    assert fit(tmp_path, select, frame).to_bytes() == fit(tmp_path, select, other).to_bytes()


def test_a_number_that_says_the_same_as_one_before_it_is_dropped_and_a_text_is_not(tmp_path: Path) -> None:
    model = fit(tmp_path, Select(by="correlation", threshold=0.95), rows())
    by_column = {choice.column: choice for choice in model.selection}
    assert [name for name, choice in by_column.items() if not choice.kept] == ["twin"]
    assert by_column["twin"].reason == "correlation 1 with km, above 0.95"
    assert by_column["city"].reason == "a text, which is not compared"


def test_a_model_tells_what_was_kept_and_scores_without_the_rest(tmp_path: Path) -> None:
    frame = rows()
    model = fit(tmp_path, Select(by="importance", keep=2), frame)
    assert len(kept(model)) == 2 and model.report.parameters["columns kept"] == "2 of 11"
    assert all(choice.reason.startswith("importance ") for choice in model.selection)
    part = data.part(frame, "holdout")
    scores = model.predict(part)
    assert model.predict(part.select(kept(model))).tobytes() == scores.tobytes()
    assert [model.predict_row(row) for row in part.iter_rows(named=True)] == scores.tolist()
    assert set(model.importance()) == set(COLUMNS) and model.importance()[NOISE[0]] == 0
    contributions = model.contributions(part)
    assert contributions.shape == (part.height, 1, len(COLUMNS)) and not contributions[:, 0, -1].any()
    loaded: Any = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    assert loaded.predict(part).tobytes() == scores.tobytes() and loaded.selection == model.selection


def test_buckets_of_a_text_are_selected_one_by_one(tmp_path: Path) -> None:
    frame = test_hashed_text.tickets()
    declared: Any = Transformed(Selected(LightGBM(rounds=15), Select(by="importance", keep=6)), [Hashed("text")])
    learner = trainer_of(declared)
    training_set = data.stored(tmp_path, "binary", frame, test_hashed_text.COLUMNS)
    model: Any = learner.fit(training_set, learner.config(declared, "binary"), threads=1)
    assert len(kept(model)) == 6 and sum(name.startswith("text#") for name in kept(model)) >= 5
    assert model.importance()["text"] > 0.8
    part = data.part(frame, "holdout")
    scores = model.predict(part)
    loaded: Any = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    assert loaded.predict(part).tobytes() == scores.tobytes()
    assert [loaded.predict_row(row) for row in part.iter_rows(named=True)] == scores.tolist()
    assert model.contributions(part).shape == (part.height, 1, 2)


def test_a_selection_that_keeps_nothing_is_refused_with_the_greatest_number(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"keeps no column: the greatest importance is 0\.\d+"):
        fit(tmp_path, Select(by="importance", threshold=1.0), rows())
    without = rows().filter(pl.col("_part") != "validation")
    with pytest.raises(TrainingError, match="no example to select by"):
        fit(tmp_path, Select(by="permutation", keep=1), without)
    with pytest.raises(DeclarationError, match="one of keep= and threshold="):
        Select(by="importance")
    with pytest.raises(DeclarationError, match=r"by='correlation' with keep="):
        Select(by="correlation", keep=3)


def test_a_selection_is_part_of_the_key() -> None:
    one, other = (Selected(Linear(), Select(by="importance", keep=keep)) for keep in (1, 2))
    assert len({content_key(Linear()), content_key(one), content_key(other)}) == 3


@given(st.lists(st.none() | st.integers(-5, 5), min_size=2, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=tries(60))
def test_correlations_are_spearmans(values: list[int | None], random: Any) -> None:
    from scipy.stats import spearmanr

    present = [value for value in values if value is not None]
    other = random.sample(range(len(present)), len(present))
    if len(set(present)) < 2:
        return
    ours = float(np.mean(_ranks(pl.Series(present, dtype=pl.Int64)) * _ranks(pl.Series(other, dtype=pl.Int64))))
    assert ours == pytest.approx(spearmanr(present, other).statistic)
