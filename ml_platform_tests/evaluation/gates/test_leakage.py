"""Too good to be true: what the leakage gate catches, and what it leaves alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.candidate import Candidate, Part
from ml_platform.evaluation.gates.leakage import learned
from ml_platform.evaluation.gates.measuring import judge
from ml_platform.spec.leak_gates import Leakage
from ml_platform.state.verdicts import Verdict
from ml_platform_tests.evaluation.candidates import candidate, part


def with_feature(make: Any, rows: int = 3000) -> Candidate:
    columns = ("signal", "noise", "origin", "extra")
    return candidate(train=part(rows, 1, extra=make), holdout=part(rows, 2, extra=make), columns=columns)


def outcome(judged: Candidate) -> Verdict:
    return judge(Leakage(), judged)[0]


def test_honest_features_and_an_honest_model_pass() -> None:
    whole, model = judge(Leakage(), candidate())
    assert whole.passed is True and model.passed is True
    assert "signal" in whole.detail and whole.value is not None and 0.7 < whole.value < 0.95


@pytest.mark.parametrize(
    "make",
    [
        lambda y: y.astype(float),
        lambda y: -y.astype(float) * 1e9,
        lambda y: np.where(y, "late", "on time"),
        lambda y: y,
        lambda y: pl.Series([None if late else 0.5 for late in y], dtype=pl.Float64),
        lambda y: np.where(y, 0.5, np.arange(len(y)) % 2),
    ],
    ids=["itself", "turned round", "in words", "as Boolean", "in the nulls", "in the middle"],
)
def test_a_feature_that_tells_the_label_is_named(make: Any) -> None:
    verdict = outcome(with_feature(make))
    assert verdict.passed is False and "extra alone has roc_auc 1" in verdict.detail
    assert "signal" not in verdict.detail


def test_a_model_that_is_too_good_fails_though_no_feature_alone_is() -> None:
    holdout = part(seed=2)
    whole, model = judge(Leakage(), candidate(holdout=replace(holdout, scores=holdout.labels.to_numpy() * 1.0)))
    assert whole.passed is False and "the model has roc_auc 1" in whole.detail
    assert (whole.value, whole.threshold) == (1, Leakage().model), "the numbers of what refused it"
    assert model.passed is False and (model.slice, model.value) == ("model", 1.0)


def test_the_bounds_are_those_declared() -> None:
    assert judge(Leakage(feature=0.7), candidate())[0].passed is False
    assert judge(Leakage(model=0.7), candidate())[0].passed is False


def test_a_key_that_never_repeats_is_no_leak() -> None:
    assert outcome(with_feature(lambda y: [f"{y.sum()}-{i}" for i in range(len(y))])).passed is True


def test_a_few_rows_prove_no_leak() -> None:
    verdict = outcome(with_feature(lambda y: y.astype(float), rows=12))
    assert verdict.passed is None and "Not judged" in verdict.detail


def test_a_feature_of_nulls_only_is_no_leak_and_no_error() -> None:
    assert outcome(with_feature(lambda y: pl.Series([None] * len(y), dtype=pl.Float64))).passed is True


def genre(rows: int, seed: int) -> Part:
    """Songs of three genres: `swing` tells jazz from the others, `tempo` nothing."""
    generator = np.random.default_rng(seed)
    label = generator.choice(["blues", "jazz", "rock"], rows)
    frame = pl.DataFrame({"tempo": generator.random(rows), "swing": (label == "jazz") * 1.0})
    return Part(frame, pl.Series(label), ("blues", "jazz", "rock"), generator.dirichlet([1, 1, 1], rows))


def test_of_several_classes_a_feature_that_tells_one_from_the_rest_leaks() -> None:
    columns = ("tempo", "swing")
    verdict = outcome(candidate(task="multiclass", train=genre(500, 1), holdout=genre(500, 2), columns=columns))
    assert verdict.passed is False and "swing alone has roc_auc 1" in verdict.detail and "tempo" not in verdict.detail


def scored(certain: float) -> list[Verdict]:
    """Genres by a model that always tells jazz, and the others so often."""
    holdout = genre(2000, 2)
    guessed = np.random.default_rng(4).choice(["blues", "rock"], 2000)
    told = np.where(np.random.default_rng(3).random(2000) < certain, holdout.labels.to_numpy(), guessed)
    told = np.where(holdout.labels == "jazz", "jazz", told)
    holdout = replace(holdout, scores=np.column_stack([(told == c) * 1.0 for c in holdout.classes]))
    return judge(Leakage(), candidate(task="multiclass", train=genre(500, 1), holdout=holdout, columns=("tempo",)))


def test_a_model_of_several_classes_is_judged_on_all_of_them_and_not_on_the_easiest() -> None:
    whole, model = scored(certain=0.3)
    assert (whole.passed, model.passed, model.metric) == (True, True, "macro_f1")
    assert model.value is not None and 0.7 < model.value < 0.9
    whole, model = scored(certain=1.0)
    assert (whole.passed, model.value, whole.metric) == (False, 1.0, "macro_f1")
    assert "the model has macro_f1 1" in whole.detail


def test_a_feature_alone_above_85_percent_passes_with_a_warning() -> None:
    def nearly(y: Any) -> Any:
        return np.where(np.arange(len(y)) % 8 == 0, ~y, y)

    verdict = outcome(replace(with_feature(nearly), columns=("noise", "extra")))
    assert verdict.passed is True
    assert "Warning: extra alone has roc_auc 0.8748" in verdict.detail
    assert "Warning" not in outcome(candidate(columns=("worse", "noise", "origin"))).detail


def test_a_feature_with_half_of_the_importance_is_said() -> None:
    columns, shares = ("worse", "noise"), {"worse": 0.5, "noise": 0.5}
    assert "worse has 50% of the importance" in outcome(candidate(columns=columns, importance=shares)).detail
    even = {"worse": 0.49, "noise": 0.49, "origin": 0.02}
    assert "Warning" not in outcome(candidate(columns=(*columns, "origin"), importance=even)).detail


def test_one_feature_that_beats_the_whole_model_is_said() -> None:
    holdout = part(seed=2)
    weak = replace(holdout, scores=holdout.frame["worse"].to_numpy())
    verdict = outcome(candidate(holdout=weak))
    assert verdict.passed is True
    assert "signal alone (roc_auc 0." in verdict.detail and "is better than the whole model" in verdict.detail


def test_regression_is_judged_by_r2() -> None:
    def rides(seed: int) -> Part:
        generator = np.random.default_rng(seed)
        count = generator.random(2000) * 100
        frame = pl.DataFrame({"casual": count * 0.3, "temp": count + generator.normal(size=2000) * 60})
        return Part(frame, pl.Series(count), (), frame["temp"].to_numpy())

    judged = candidate(task="regression", train=rides(1), holdout=rides(2), columns=("casual", "temp"))
    verdict = outcome(judged)
    assert verdict.metric == "r2" and verdict.passed is False
    assert "casual alone" in verdict.detail and "temp" not in verdict.detail
    assert outcome(replace(judged, columns=("temp",))).passed is True


def test_what_was_learned_is_the_mean_of_the_bin_and_the_overall_mean_where_nothing_was_seen() -> None:
    seen, target = pl.Series([1.0, 1.0, 9.0, 9.0, None]), np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    assert learned(seen, target, pl.Series([1.0, 9.0, None])).tolist() == [0.5, 1.0, 0.0]
    text = pl.Series(["a", "a", "b", "b", None])
    assert learned(text, target, pl.Series(["a", "b", None, "new"])).tolist() == [0.5, 1.0, 0.0, 0.6]
