"""Text by hashed n-grams (S61): against a naive count, one row as the batch, and with every trainer."""

import binascii
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError, ScoringError
from ml_platform.models.registry import model_of_format, trainer_of
from ml_platform.models.transforms.hashed import Hashed as FittedHashed
from ml_platform.spec.composed_trainers import Calibrated
from ml_platform.spec.hashed_text import Hashed
from ml_platform.spec.normalised_text import normalised
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform.spec.transformed import Transformed
from ml_platform_tests.examples import tries
from ml_platform_tests.models import data

TRAINERS = [
    LightGBM(rounds=15),
    XGBoost(rounds=15),
    Linear(),
    ScikitLearn("sklearn.linear_model.LogisticRegression"),
    Calibrated(LightGBM(rounds=15)),
]
COLUMNS = {"text": "String", "km": "Float64"}
_TEXTS = (
    st.none() | st.text(max_size=40) | st.lists(st.sampled_from(["Refund", "refund", "NOW", "ﬁne", "ß"])).map(" ".join)
)


def tickets(count: int = 600, seed: int = 3) -> pl.DataFrame:
    """Whether a ticket is urgent is told by its words alone; every text is another."""
    random = np.random.default_rng(seed)
    urgent = random.random(count) < 0.4
    words = np.where(
        urgent, random.choice(["outage", "broken", "down"], count), random.choice(["thanks", "hello"], count)
    )
    text = [f"Ticket {number}: {word} please" for number, word in enumerate(words)]
    parts = np.array(["train", "train", "train", "validation", "holdout"])[np.arange(count) % 5]
    return pl.DataFrame({"text": text, "km": random.random(count), "_label": urgent, "_part": parts})


def _naive(text: str | None, least: int, greatest: int, buckets: int, of: str) -> list[int]:
    counts = [0] * buckets
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text or "").casefold())
    words, word = [], ""
    for character in [*folded, " "]:
        if character == "_" or character.isalnum():
            word += character
        elif word:
            words.append(word)
            word = ""
    for size in range(least, greatest + 1):
        if of == "words":
            grams = [" ".join(words[at : at + size]) for at in range(len(words)) if at + size <= len(words)]
        else:
            padded = [f" {each} " for each in words]
            grams = [each[at : at + size] for each in padded for at in range(len(each)) if at + size <= len(each)]
        for gram in grams:
            bucket = binascii.crc32(gram.encode()) % buckets
            counts[bucket] = min(counts[bucket] + 1, 255)
    return counts


@given(st.lists(_TEXTS, min_size=1, max_size=8), st.sampled_from(["words", "characters"]), st.integers(1, 3))
@settings(max_examples=tries(80))
def test_counts_are_those_of_a_naive_reading_and_a_row_is_as_its_batch(texts: Any, of: str, least: int) -> None:
    hashed = FittedHashed({"text": "String"}, least, 3, 16, of)
    frame = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    counts = hashed.apply(frame)
    assert counts.rows() == [tuple(_naive(text, least, 3, 16, of)) for text in texts]
    for text, expected in zip(texts, counts.iter_rows(named=True), strict=True):
        row = {"text": text}
        hashed.apply_row(row)
        assert {name: row[name] for name in expected} == expected


def test_the_hash_is_the_one_that_is_stated_whatever_the_process() -> None:
    hashed = FittedHashed({"text": "String"}, 1, 2, 256, "words")
    assert list(hashed.buckets_of("Große Hilfe!")) == [
        binascii.crc32(g.encode()) % 256 for g in ("grosse", "hilfe", "grosse hilfe")
    ]
    assert list(hashed.buckets_of("GROSSE   hilfe")) == list(hashed.buckets_of("große, Hilfe"))
    assert list(hashed.buckets_of("outage")) == [248]
    assert normalised("Ｆｕｌｌ") == "full"


def test_a_word_that_comes_a_thousand_times_counts_255() -> None:
    hashed = FittedHashed({"text": "String"}, 1, 1, 4, "words")
    row: dict[str, Any] = {"text": "a " * 1000}
    hashed.apply_row(row)
    assert max(value for name, value in row.items() if name != "text") == 255
    assert hashed.apply(pl.DataFrame({"text": ["a " * 1000]})).max_horizontal().item() == 255


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda word: type(word).__name__)
def test_every_trainer_learns_from_words_and_explains_itself_by_the_text(trainer: Any, tmp_path: Path) -> None:
    frame = tickets()
    declared = Transformed(trainer, [Hashed("text", buckets=64)])
    learner = trainer_of(declared)  # type: ignore[arg-type]  # what a pipeline with transforms declares
    training_set = data.stored(tmp_path, "binary", frame, COLUMNS)
    model = learner.fit(training_set, learner.config(declared, "binary"), threads=1)
    rows = data.part(frame, "holdout")
    scores, truth = model.predict(rows), rows["_label"].to_numpy()
    assert scores[truth].mean() > scores[~truth].mean() + 0.6
    importance = model.importance()
    assert list(importance) == ["text", "km"] and importance["text"] > 0.8
    assert [model.predict_row(row) for row in rows.iter_rows(named=True)] == scores.tolist()
    loaded = model_of_format(model.format).from_bytes(model.to_bytes(), model.signature)
    assert loaded.predict(rows).tobytes() == scores.tobytes()
    assert learner.fit(training_set, learner.config(declared, "binary"), threads=2).to_bytes() == model.to_bytes()
    assert model.signature.columns == COLUMNS and model.signature.levels == {}


def test_what_is_no_text_is_refused_by_name() -> None:
    hashed = FittedHashed({"text": "String"}, 1, 1, 4, "words")
    with pytest.raises(ScoringError, match="The rows lack text"):
        hashed.apply(pl.DataFrame({"other": ["x"]}))
    with pytest.raises(ScoringError, match="'text' is Int64; the model learnt text"):
        hashed.apply(pl.DataFrame({"text": [1]}))
    with pytest.raises(ScoringError, match="The value 1 of 'text' does not fit"):
        hashed.apply_row({"text": 1})
    with pytest.raises(ScoringError, match="The row lacks text"):
        hashed.apply_row({})
    with pytest.raises(DeclarationError, match="no range within 1 to 10"):
        Hashed("text", ngrams=(3, 2))
    with pytest.raises(DeclarationError, match="buckets"):
        Hashed("text", buckets=1)
