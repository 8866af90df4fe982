"""Fitted transforms against naive versions, and what all of them have in common (S60)."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError, ScoringError, TrainingError
from ml_platform.models.protocol import Contributing, Model
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.models.transforms.chain import Chain, fitted
from ml_platform.models.transforms.folding import folds_of
from ml_platform.models.transforms.protocol import Folds, Target
from ml_platform.models.transforms.reduced import components
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.training import LightGBM, Linear, Split
from ml_platform.spec.transformed import Transformed
from ml_platform.spec.transforms import Imputed, Log, OneHot, Reduced, Scaled, TargetEncoded, Transform
from ml_platform.training import fitting
from ml_platform_tests.examples import tries
from ml_platform_tests.models import data
from ml_platform_tests.models.data import COLUMNS
from ml_platform_tests.scenario import labelled_trips

EACH: dict[str, list[Transform]] = {
    **{
        f"Scaled by {by}": [Scaled(["km", "riders", "rush", "same", "empty"], by=by)]
        for by in ("deviation", "quartiles", "range")
    },
    **{f"Log, {rule}": [Log(["km", "riders", "empty"], negatives=rule)] for rule in ("mirrored", "missing", "zero")},
    "Imputed by mean": [Imputed(["km", "rush", "empty"], by="mean", indicator=True)],
    "Imputed by the most frequent": [Imputed(["city", "blank", "riders"], by="most_frequent", indicator=True)],
    "Imputed by a value": [Imputed("km", value=-1), Imputed(["city", "blank"], value="none")],
    "OneHot": [OneHot(["city", "riders", "rush", "blank"], limit=3)],
    "TargetEncoded": [TargetEncoded(["city", "riders", "rush", "blank"], smoothing=3)],
    "Reduced": [Reduced(["km", "riders", "rush", "same", "empty"], components=3)],
    "several": [
        Log("km"),
        Imputed("km"),
        Reduced(["km", "riders"], name="size"),
        Scaled("size_1"),
        TargetEncoded("city"),
    ],
}
_SCHEMA = {name: getattr(pl, dtype) for name, dtype in COLUMNS.items()}
every_transform = pytest.mark.parametrize("words", EACH.values(), ids=EACH)


def target(labels: Any, folds: int = 1, *, ordered: bool = False) -> Target:
    values = np.array(labels, dtype=np.float64).reshape(len(labels), -1)
    return Target(values, Folds(np.arange(len(labels)), max(len(labels), 1), ordered))


def chain_of(words: list[Transform], frame: pl.DataFrame | None = None) -> Chain:
    frame = data.part(data.rows("regression"), "train") if frame is None else frame
    declared = [canonical(word) for word in words]
    return fitted(declared, COLUMNS, frame.select(list(COLUMNS)), target(frame["_label"].to_list()))[0]


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "km": st.none() | st.floats(),
            "riders": st.none() | st.integers(-(2**63), 2**63 - 1),
            "rush": st.none() | st.booleans(),
            "city": st.none() | st.sampled_from(["", "never seen", *data.CITIES]),
            "same": st.none() | st.floats(),
            "empty": st.none() | st.floats(),
            "blank": st.none() | st.just("x"),
        }
    ),
    max_size=20,
)


@every_transform
@given(rows=_ROWS)
@settings(max_examples=tries(15), suppress_health_check=[HealthCheck.too_slow])
def test_a_row_has_the_bits_of_its_batch_also_after_it_was_stored_s13(
    words: list[Transform], rows: list[dict[str, Any]]
) -> None:
    chain = _stored_chain(words)
    frame = pl.DataFrame(rows, schema=_SCHEMA)
    batch = chain.apply(frame.select(frame.columns[::-1]).with_columns(more=1))
    assert dict(zip(batch.columns, map(str, batch.dtypes), strict=True)) == chain.outputs
    singles = pl.DataFrame([chain.apply_row(row) for row in rows], schema=batch.schema, strict=False)
    assert batch.equals(singles) or _bits(batch) == _bits(singles)


_CHAINS: dict[str, Chain] = {}


def _stored_chain(words: list[Transform]) -> Chain:
    key = content_key(words)
    if key not in _CHAINS:
        chain = chain_of(words)
        text = json.dumps(chain.to_json(), allow_nan=False)
        _CHAINS[key] = Chain.from_json(json.loads(text), COLUMNS)
        assert json.dumps(_CHAINS[key].to_json()) == text
    return _CHAINS[key]


def _bits(frame: pl.DataFrame) -> list[Any]:
    """Equal exactly when values are, NaN and null being one: both are missing."""
    floats = frame.select(pl.col(pl.Float64).fill_null(math.nan)).to_numpy()
    bits = np.where(np.isnan(floats), math.nan, floats).tobytes()
    return [bits, frame.select(pl.exclude(pl.Float64)).rows()]


@every_transform
def test_an_output_came_of_columns_whose_shares_sum_up_to_one(words: list[Transform]) -> None:
    chain = chain_of(words)
    assert chain.shares.shape == (len(chain.outputs), len(COLUMNS))
    np.testing.assert_allclose(chain.shares.sum(axis=1), 1)


@every_transform
def test_a_column_that_is_missing_or_of_another_type_is_named(words: list[Transform]) -> None:
    chain, frame = chain_of(words), data.rows("regression")
    row = frame.row(0, named=True)
    name = words[0].names[0]
    wrong = 1.5 if COLUMNS[name] == "String" else "x"
    for broken in (frame.drop(name), frame.with_columns(pl.lit(wrong).alias(name))):
        with pytest.raises(ScoringError, match=name):
            chain.apply(broken)
    for other in ({**row, name: wrong}, {key: value for key, value in row.items() if key != name}):
        with pytest.raises(ScoringError, match=name):
            chain.apply_row(other)


_NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30)


def applied(word: Transform, values: list[Any], dtype: Any, labels: list[float] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
    columns = {"x": str(frame["x"].dtype)}
    chain, _ = fitted([canonical(word)], columns, frame, target(labels or [0.0] * len(values)))
    return chain.apply(frame)


@given(values=_NUMBERS)
def test_scaled_is_what_the_formula_says(values: list[float | None]) -> None:
    present = np.array([value for value in values if value is not None])
    for by in ("deviation", "quartiles", "range"):
        scaled = applied(Scaled("x", by=by), values, pl.Float64)["x"].to_list()
        centre, scale = 0.0, 0.0
        if len(present):
            low, middle, high = np.quantile(present, (0.25, 0.5, 0.75))
            centre, scale = {
                "deviation": (present.mean(), present.std()),
                "quartiles": (middle, high - low or present.std()),
                "range": (present.min(), np.ptp(present)),
            }[by]
        for value, output in zip(values, scaled, strict=True):
            if value is None:
                assert math.isnan(output)
            elif np.ptp(present) > 1e-3 and scale > 1e-3:
                assert output == pytest.approx((value - centre) / scale, rel=1e-6, abs=1e-6)
            elif np.ptp(present) == 0:
                assert output == 0


@given(values=_NUMBERS)
def test_log_is_log1p_with_the_rule_for_negatives(values: list[float | None]) -> None:
    rules: dict[str, Any] = {
        "mirrored": lambda value: math.copysign(math.log1p(abs(value)), value),
        "missing": lambda value: math.nan if value < 0 else math.log1p(value),
        "zero": lambda value: math.log1p(max(value, 0)),
    }
    for rule, naive in rules.items():
        expected = [math.nan if value is None else naive(value) for value in values]
        actual = applied(Log("x", negatives=rule), values, pl.Float64)["x"].to_numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-14)


@given(values=_NUMBERS)
def test_imputed_fills_in_what_is_typical(values: list[float | None]) -> None:
    present = [value for value in values if value is not None]
    counts = Counter(present)
    typical = {
        "median": float(np.median(present)) if present else 0.0,
        "mean": float(np.mean(present)) if present else 0.0,
        "most_frequent": min(counts, key=lambda value: (-counts[value], value)) if present else 0.0,
    }
    for by, filling in typical.items():
        frame = applied(Imputed("x", by=by, indicator=True), values, pl.Float64)
        expected = [filling if value is None else value for value in values]
        np.testing.assert_allclose(frame["x"].to_numpy(), expected, rtol=1e-9, atol=1e-9)
        assert frame["x=missing"].to_list() == [float(value is None) for value in values]


_CATEGORIES = st.lists(st.none() | st.sampled_from("abcdefg"), min_size=1, max_size=40)


@given(values=_CATEGORIES, limit=st.integers(1, 8))
def test_one_hot_has_a_column_for_each_frequent_category(values: list[str | None], limit: int) -> None:
    counts = Counter(value for value in values if value is not None)
    frequent = sorted(sorted(counts, key=lambda value: (-counts[value], value))[:limit])
    frame = applied(OneHot("x", limit=limit), values, pl.String)
    assert frame.width == len(frequent)
    for category, column in zip(frequent, frame, strict=True):
        assert column.to_list() == [float(value == category) for value in values]


@given(
    pairs=st.lists(st.tuples(st.none() | st.sampled_from("abcd"), st.floats(-10, 10)), min_size=2, max_size=40),
    smoothing=st.sampled_from([0.0, 1.0, 20.0]),
    folds=st.integers(2, 5),
    ordered=st.booleans(),
)
def test_target_encoding_is_the_smoothed_mean_of_other_rows(
    pairs: list[tuple[str | None, float]], smoothing: float, folds: int, ordered: bool
) -> None:
    values, labels = [value for value, _ in pairs], [label for _, label in pairs]
    prior = float(np.mean(labels))

    def encoded(category: str | None, rows: list[int]) -> float:
        own = [labels[row] for row in rows if values[row] == category]
        return (sum(own) + smoothing * prior) / (len(own) + smoothing) if own else prior

    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    word = canonical(TargetEncoded("x", smoothing=smoothing, folds=folds))
    chain, train = fitted([word], {"x": "String"}, frame, target(labels, ordered=ordered))
    ids = [row * folds // len(values) for row in range(len(values))]
    for row, category in enumerate(values):
        every = len(set(values)) == 1
        others = [at for at in range(len(values)) if every or (ids[at] < ids[row] if ordered else ids[at] != ids[row])]
        assert train["x"][row] == pytest.approx(encoded(category, others), rel=1e-9, abs=1e-9)
    everyone = list(range(len(values)))
    expected = [encoded(category, everyone) for category in [*values, None]]
    scored = chain.apply(pl.DataFrame({"x": pl.Series([*values, "unseen"], dtype=pl.String)}))["x"].to_list()
    np.testing.assert_allclose(scored, expected, rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 10**6), width=st.integers(2, 6))
@settings(max_examples=tries(20))
def test_components_are_those_of_numpy_with_a_positive_largest_loading(seed: int, width: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(200, width)) @ random.normal(size=(width, width))
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    own = components(list(values.T), width)
    variances, vectors = np.linalg.eigh(values.T @ values / 200)
    for loading in own:
        assert loading[np.abs(loading).argmax()] > 0
    gaps = np.diff(variances)
    if gaps.min() > 1e-3:
        np.testing.assert_allclose(np.abs(own), np.abs(vectors[:, ::-1].T), atol=1e-6)


def test_folds_follow_time_keep_groups_together_and_are_balanced() -> None:
    moments = pl.Series([labelled_trips.SINCE] * 3 + [labelled_trips.D] * 3)
    timed = folds_of(pl.DataFrame({"at": moments[::-1]}), {"at": "at", "group": None, "seed": 0})
    assert timed.ordered and timed.ids(2).tolist() == [1, 1, 1, 0, 0, 0]
    groups = pl.Series([str(row // 4) if row % 40 else None for row in range(400)])
    grouped = folds_of(pl.DataFrame({"g": groups}), {"at": None, "group": "g", "seed": 0})
    members = defaultdict(set)
    for group, fold in zip(groups, grouped.ids(5).tolist(), strict=True):
        members[group].add(fold)
    assert all(len(folds) == 1 for group, folds in members.items() if group) and len(members[None]) > 1
    shuffled = folds_of(pl.DataFrame({"x": range(1000)}), {"at": None, "group": None, "seed": 3})
    assert np.bincount(shuffled.ids(5)).tolist() == [200] * 5 and not shuffled.ordered


def fit(folder: Path, word: Transformed, frame: pl.DataFrame, columns: dict[str, str]) -> Model:
    trainer = trainer_of(word)
    return trainer.fit(data.stored(folder, "binary", frame, columns), trainer.config(word, "binary"), threads=1)


@pytest.mark.parametrize("at", [None, "at"], ids=["shuffled folds", "folds in order of time"])
def test_a_random_id_teaches_a_model_nothing(at: str | None, tmp_path: Path) -> None:
    random, count = np.random.default_rng(5), 6000
    frame = pl.DataFrame(
        {
            "at": [labelled_trips.SINCE + k * (labelled_trips.D - labelled_trips.SINCE) / count for k in range(count)],
            "id": random.integers(0, 2500, count),
            "_label": random.random(count) < 0.3,
            "_part": np.where(np.arange(count) < 4000, "train", "holdout"),
        }
    )
    word = Transformed(LightGBM(rounds=20, num_leaves=7), [TargetEncoded("id", smoothing=1)], at=at)
    model = fit(tmp_path, word, frame, {"id": "Int64"})
    holdout, chain = data.part(frame, "holdout"), model._chain  # type: ignore[attr-defined]  # what the trainer saw
    assert abs(_auc(holdout["_label"], model.predict(holdout)) - 0.5) < 0.04
    config = trainer_of(word).config(word, "binary")
    train = data.part(frame, "train")
    classes = target(train["_label"].cast(pl.Float64).to_list())
    folds = folds_of(train, config["folds"])
    _, seen = fitted(config["transforms"], {"id": "Int64"}, train.select("id"), Target(classes.values, folds))
    assert abs(_auc(train["_label"], seen["id"].to_numpy()) - 0.5) < 0.05, "out of fold"
    assert _auc(train["_label"], chain.apply(train)["id"].to_numpy()) > 0.8, "with its own label it would"


def _auc(labels: pl.Series, scores: Any) -> float:
    ranks = pl.Series(scores).rank().to_numpy()
    positive = labels.to_numpy()
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def test_nothing_is_learnt_from_validation_and_holdout(tmp_path: Path) -> None:
    words = [words for name, words in EACH.items() if name != "several"]
    chosen: list[Transform] = [
        Imputed(["km", "rush"]),
        TargetEncoded("city"),
        OneHot("riders"),
        Scaled("km"),
        Reduced(["km", "same"]),
    ]
    assert {type(one) for one in chosen} <= {type(one) for each in words for one in each}
    word, frame = Transformed(Linear(), chosen), data.rows("binary")
    elsewhere = frame.with_columns(
        km=pl.when(pl.col("_part") == "train").then("km").otherwise(pl.col("km") * 9 + 1),
        city=pl.when(pl.col("_part") == "train").then("city").otherwise(pl.lit("elsewhere")),
        _label=pl.when(pl.col("_part") == "train").then("_label").otherwise(~pl.col("_label")),
    )
    assert fit(tmp_path, word, frame, COLUMNS).to_bytes() == fit(tmp_path, word, elsewhere, COLUMNS).to_bytes()


def test_a_training_set_in_chunks_gives_the_same_bytes(tmp_path: Path) -> None:
    word = Transformed(Linear(), EACH["several"])
    trainer, stored = trainer_of(word), data.stored(tmp_path, "binary")
    config = trainer.config(word, "binary")
    chunked = TrainingData(stored.path, "binary", COLUMNS, in_memory=1000, chunk=77)
    assert trainer.fit(chunked, config).to_bytes() == trainer.fit(stored, config).to_bytes()


def test_contributions_are_told_of_declared_columns_and_sum_up_to_the_margin(tmp_path: Path) -> None:
    model = fit(tmp_path, Transformed(LightGBM(rounds=10), EACH["several"]), data.rows("binary"), COLUMNS)
    frame = data.part(data.rows("binary"), "holdout")
    assert isinstance(model, Contributing)
    added = model.contributions(frame)
    assert added.shape == (frame.height, 1, len(COLUMNS))
    probabilities = model.predict(frame)
    margins = np.log(probabilities / (1 - probabilities))
    rest = margins - added.sum(axis=(1, 2))
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)
    assert [np.abs(added[:, 0, at]).sum() for at in range(4, 7)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([Scaled("wings")], r"transforms\[0\] Scaled: the model has no column 'wings'"),
        ([Scaled("city")], "'city' is String, and Scaled needs a number"),
        ([OneHot("km")], "'km' is Float64, and OneHot needs a text"),
        ([Imputed("city")], "most_frequent.*a text has no median"),
        ([Imputed("km", value="x")], "needs a number as value="),
        ([OneHot("city"), TargetEncoded("city")], r"\[1\] TargetEncoded: 'city' became other columns by OneHot"),
        ([Reduced(["km", "far"], name="riders"), Scaled("riders_3")], "no column 'riders_3'"),
        ([Reduced(["km", "far"]), Reduced(["hour", "riders"])], "has a column 'reduced_1' already"),
    ],
)
def test_a_transform_that_does_not_fit_the_columns_is_refused_at_load(words: list[Transform], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        labelled_trips.pipeline("binary", transforms=words)


def test_words_check_themselves() -> None:
    refused: list[Any] = [
        lambda: Scaled([]),
        lambda: Scaled(["km", "km"]),
        lambda: Scaled("km", by="size"),  # type: ignore[arg-type]  # wrong on purpose
        lambda: OneHot("city", limit=0),
        lambda: TargetEncoded("city", smoothing=-1),
        lambda: Reduced(["km", "far"], components=3),
        lambda: Reduced(["km"]),
        lambda: Imputed("km", value=math.inf),
    ]
    for wrong in refused:
        with pytest.raises(DeclarationError):
            wrong()


def test_transforms_are_in_the_key_of_a_training_and_no_transforms_change_none() -> None:
    plain = labelled_trips.pipeline("binary")
    assert plain.learner is plain.trainer and "transforms" not in canonical(plain)
    keys = {
        content_key(fitting.declaration(labelled_trips.pipeline("binary", transforms=words, **changes)))
        for words, changes in [
            ([], {}),
            ([Scaled("km")], {}),
            ([Scaled(["km"])], {}),  # the same
            ([Scaled("km", by="range")], {}),
            ([Scaled("km"), Log("riders")], {}),
            ([Log("riders"), Scaled("km")], {}),
            ([Log("riders"), Scaled("km")], {"split": Split(validation=0.2, holdout=0.2)}),
            ([Log("riders"), Scaled("km")], {"split": Split(validation=0.2, holdout=0.2, group="city")}),
        ]
    }
    assert len(keys) == 7


def test_columns_without_any_category_leave_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="leave no column"):
        fit(tmp_path, Transformed(Linear(), [OneHot("blank")]), data.rows("binary"), {"blank": "String"})
