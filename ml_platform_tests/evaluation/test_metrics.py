"""The metrics against scikit-learn, and weights against rows repeated."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ml_platform.errors import EvaluationError
from ml_platform.evaluation.metrics import UNDEFINED, decisions, metric, metrics_of, scorecard
from ml_platform.spec.metrics import METRICS
from ml_platform_tests.examples import tries

unhurried = settings(deadline=None)  # other work on the machine must not fail a test
LEVELS = [0.0, 0.1, 0.25, 0.5, 0.500001, 0.9, 1.0]  # few values, so that scores tie
CLASSES = ("blues", "jazz", "rock")
binary_rows = st.lists(st.tuples(st.booleans(), st.sampled_from(LEVELS), st.integers(0, 3)), min_size=1, max_size=30)
class_rows = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 7.0])] * 3), st.integers(0, 3)),
    min_size=1,
    max_size=30,
)
values = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3))
value_rows = st.lists(st.tuples(values, values, st.integers(0, 3)), min_size=1, max_size=30)


def same(ours: float, theirs: float | None) -> bool:
    return math.isnan(ours) if theirs is None else ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def binary_oracle(name: str, y: Any, p: Any) -> float | None:
    """What scikit-learn says; None where the metric is undefined."""
    decided = p > 0.5
    match name:
        case "accuracy":
            return sk.accuracy_score(y, decided)
        case "precision":
            return sk.precision_score(y, decided) if decided.any() else None
        case "recall":
            return sk.recall_score(y, decided) if y.any() else None
        case "f1":
            return sk.f1_score(y, decided) if y.any() or decided.any() else None
        case "roc_auc":
            return sk.roc_auc_score(y, p) if 0 < y.sum() < len(y) else None
        case "average_precision":
            return sk.average_precision_score(y, p) if y.any() else None
        case "brier":
            return sk.brier_score_loss(y, p, pos_label=True)
        case _:
            return sk.log_loss(y, p, labels=[False, True])


@unhurried
@given(binary_rows)
def test_binary_metrics_are_those_of_scikit_learn_with_ties_and_one_class(rows: list[Any]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    for name in metrics_of("binary"):
        assert same(metric(name, y, p), binary_oracle(name, y, p)), name


@unhurried
@given(class_rows)
def test_multiclass_metrics_are_those_of_scikit_learn(rows: list[Any]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    p = p / p.sum(axis=1, keepdims=True)
    decided = decisions("multiclass", p, CLASSES)
    theirs = {
        "accuracy": sk.accuracy_score(y, decided),
        "log_loss": sk.log_loss(y, p, labels=list(CLASSES)),
        "macro_f1": sk.f1_score(y, decided, average="macro"),
    }
    occurring = sorted(set(y))
    recalls = sk.recall_score(y, decided, labels=occurring, average=None, zero_division=0)
    theirs["min_class_recall"] = min(recalls)
    theirs |= {f"recall of {name}": recall for name, recall in zip(occurring, recalls, strict=True)}
    assert scorecard("multiclass", y, p, CLASSES) == pytest.approx(theirs)


@unhurried
@given(value_rows)
def test_regression_metrics_are_those_of_scikit_learn(rows: list[Any]) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert same(metric("mae", y, p), sk.mean_absolute_error(y, p))
    assert same(metric("rmse", y, p), sk.root_mean_squared_error(y, p))
    ours = metric("r2", y, p)
    if len(set(y)) == 1:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(sk.r2_score(y, p), rel=1e-6, abs=1e-6)


@unhurried
@given(
    st.one_of(
        st.tuples(st.just("binary"), binary_rows),
        st.tuples(st.just("multiclass"), class_rows),
        st.tuples(st.just("regression"), value_rows),
    )
)
def test_a_weight_counts_a_row_that_many_times(case: tuple[str, list[Any]]) -> None:
    task, rows = case
    y, p, weights = np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    classes = CLASSES if task == "multiclass" else ()
    for name in metrics_of(task):
        repeated = metric(name, np.repeat(y, weights), np.repeat(p, weights, axis=0), classes=classes)
        assert metric(name, y, p, weights=weights, classes=classes) == pytest.approx(
            repeated, rel=1e-9, abs=1e-9, nan_ok=True
        ), name


@unhurried
@given(binary_rows)
def test_roc_auc_is_the_share_of_pairs_in_order(rows: list[Any]) -> None:
    positive, negative = [p for y, p, _ in rows if y], [p for y, p, _ in rows if not y]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in positive for b in negative]
    ours = metric("roc_auc", [r[0] for r in rows], [r[1] for r in rows])
    assert same(ours, sum(pairs) / len(pairs) if pairs else None)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_no_rows_define_no_metric_and_warn_of_nothing(task: str) -> None:
    scores = np.zeros((0, 3)) if task == "multiclass" else np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scorecard(task, np.array([], dtype=str), scores, CLASSES if task == "multiclass" else ())
    assert found and set(found.values()) == {None}


def test_every_metric_that_a_gate_may_name_is_computed_and_says_when_it_is_undefined() -> None:
    computed = {name for task in ("binary", "multiclass", "regression") for name in metrics_of(task)}
    assert computed == METRICS.keys() == UNDEFINED.keys()


def test_one_row_defines_what_needs_no_second() -> None:
    found = scorecard("binary", [True], [0.8])
    assert found["roc_auc"] is None
    assert found["accuracy"] == found["precision"] == found["recall"] == found["average_precision"] == 1.0


def test_a_decision_is_true_above_one_half_and_not_at_it() -> None:
    assert decisions("binary", [0.5, 0.5000001]).tolist() == [False, True]
    assert decisions("multiclass", [[0.4, 0.4, 0.2]], CLASSES).tolist() == ["blues"]


def test_a_class_that_the_model_never_saw_is_always_wrong() -> None:
    y, p = ["jazz", "polka"], np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    found = scorecard("multiclass", y, p, CLASSES)
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["log_loss"] == pytest.approx(-math.log(np.finfo(float).eps) / 2)


@pytest.mark.parametrize(
    ("name", "labels", "scores", "classes", "problem"),
    [
        ("roc_auc", [True, False], [0.1], (), "2 labels and 1 scores"),
        ("roc_auc", [True, False], [0.1, math.nan], (), "1 scores are NaN or infinite"),
        ("mae", [1.0, math.inf], [0.1, 1.0], (), "null, NaN or infinite"),
        ("mae", [1.0, None], [0.1, 1.0], (), "null, NaN or infinite"),
        ("brier", [2, 1], [0.1, 1.0], (), "neither true nor false"),
        ("accuracy", ["a", "b"], [0.1, 1.0], (), "without classes"),
        ("accuracy", ["a", None], [[0.1, 0.9]] * 2, ("a", "b"), "a label is null"),
        ("accuracy", ["a", "b"], [0.1, 0.9], ("a", "b"), "one column a class"),
    ],
)
def test_what_cannot_be_compared_is_refused(name: str, labels: Any, scores: Any, classes: Any, problem: str) -> None:
    with pytest.raises(EvaluationError, match=problem):
        metric(name, labels, scores, classes=classes)


@settings(max_examples=tries(20), deadline=None)
@given(st.integers(2, 4000), st.integers(0, 2**32 - 1))
def test_roc_auc_of_many_rows_matches_scikit_learn(rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    y, p = generator.random(rows) < 0.3, generator.random(rows).round(3)
    y[:2] = [True, False]
    assert metric("roc_auc", y, p) == pytest.approx(sk.roc_auc_score(y, p))
    assert metric("average_precision", y, p) == pytest.approx(sk.average_precision_score(y, p))
