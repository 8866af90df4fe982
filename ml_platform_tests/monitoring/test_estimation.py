"""Estimates before labels: against draws row by row, closed forms, coverage, what is not estimable (S48)."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import EvaluationError
from ml_platform.evaluation.metrics import metric
from ml_platform.monitoring.estimation import binary, losses
from ml_platform.monitoring.estimation.answer import Answer, Estimate, NotEstimable, Reason
from ml_platform.monitoring.estimation.binary import METRICS, BinaryReference
from ml_platform.monitoring.estimation.losses import LossReference
from ml_platform_tests.examples import tries


def _value(answer: Answer) -> Estimate:
    assert isinstance(answer, Estimate), answer
    return answer


def _reason(answer: Answer) -> Reason:
    assert isinstance(answer, NotEstimable), answer
    return answer.reason


def _labelled(random: np.random.Generator, rows: int, a: float = 2.0, b: float = 5.0) -> tuple[Any, Any]:
    """Calibrated scores and their labels."""
    scores = random.beta(a, b, rows)
    return scores, random.random(rows) < scores


REFERENCE = BinaryReference.of(*_labelled(np.random.default_rng(1), 20_000))


def test_the_estimate_agrees_with_labels_drawn_row_by_row_from_the_true_probabilities() -> None:
    random = np.random.default_rng(2)
    scores = random.beta(4, 4, 2_000)
    answers = binary.estimated(REFERENCE, REFERENCE.window(scores))
    labels = random.random((300, 2_000)) < scores
    for name in METRICS:
        estimate, drawn = _value(answers[name]), [metric(name, truth, scores) for truth in labels]
        naive_low, naive_high = np.quantile(drawn, [0.025, 0.975])
        width = naive_high - naive_low
        assert estimate.value == pytest.approx(np.mean(drawn), abs=0.3 * width), name
        # The interval holds the uncertainty of the calibration beside that of the labels.
        assert 0.85 * width < estimate.high - estimate.low < 1.6 * width, name


def test_known_shifts_have_their_closed_form() -> None:
    """Uniform scores on (l, u): accuracy is the mean of max(s, 1 - s), Brier that of s (1 - s)."""
    random = np.random.default_rng(3)
    scores = random.random(40_000)
    reference = BinaryReference.of(scores, random.random(40_000) < scores)
    for low, high in ((0.0, 1.0), (0.5, 1.0), (0.1, 0.4)):
        window = low + (high - low) * (np.arange(20_000) + 0.5) / 20_000
        answers = binary.estimated(reference, reference.window(window))
        assert _value(answers["accuracy"]).value == pytest.approx(np.maximum(window, 1 - window).mean(), abs=0.01)
        brier = (high**2 - low**2) / 2 / (high - low) - (high**3 - low**3) / 3 / (high - low)
        assert _value(answers["brier"]).value == pytest.approx(brier, abs=0.005)
    # On (0, 1): P(s of a positive > s of a negative), with densities 2s and 2(1 - s), is 5/6.
    whole = binary.estimated(reference, reference.window((np.arange(20_000) + 0.5) / 20_000))
    assert _value(whole["roc_auc"]).value == pytest.approx(5 / 6, abs=0.01)


def test_intervals_hold_what_is_realised_under_covariate_shifts() -> None:
    random, trials, inside = np.random.default_rng(4), tries(100), dict.fromkeys(METRICS, 0)
    for trial in range(trials):
        scores, labels = _labelled(random, 3_000)
        reference = BinaryReference.of(scores**0.8, labels)  # distorted scores
        shifted, truth = _labelled(random, 600, a=1.5 + trial % 3, b=6.0 - trial % 3)
        answers = binary.estimated(reference, reference.window(shifted**0.8))
        for name in METRICS:
            estimate = _value(answers[name])
            inside[name] += estimate.low <= metric(name, truth, shifted**0.8) <= estimate.high
    assert min(inside.values()) >= 0.9 * trials, inside


def test_days_that_differ_widen_the_interval_until_it_holds_what_is_realised() -> None:
    random, trials, inside = np.random.default_rng(5), tries(60), {True: 0, False: 0}
    for _ in range(trials):
        days, scores = np.repeat(np.arange(27), 100), random.beta(2, 5, 27 * 100)
        effect = random.normal(0, 0.7, 27)[days]
        labels = random.random(len(days)) < 1 / (1 + np.exp(-np.log(scores / (1 - scores)) - effect))
        of, later = days < 20, days >= 20
        realised = metric("accuracy", labels[later], scores[later])
        for by_day in (True, False):
            reference = BinaryReference.of(scores[of], labels[of], days[of] if by_day else None)
            answer = _value(binary.estimated(reference, reference.window(scores[later]), 7)["accuracy"])
            inside[by_day] += answer.low <= realised <= answer.high
    assert inside[True] >= 0.9 * trials > inside[False], inside


def test_what_moves_labels_and_not_scores_is_not_seen() -> None:
    scores, _ = _labelled(np.random.default_rng(6), 2_000)
    estimate = _value(binary.estimated(REFERENCE, REFERENCE.window(scores))["accuracy"])
    assert metric("accuracy", scores < 0.5, scores) == 0.0 < estimate.low


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.floats(0, 1), min_size=60, max_size=200), st.data())
def test_a_window_is_the_sum_of_its_parts(scores: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(scores)))
    whole, first, rest = (REFERENCE.window(part) for part in (scores, scores[:cut], scores[cut:]))
    summed = first + rest
    assert np.array_equal(summed.count, whole.count) and np.allclose(summed.sums, whole.sums)
    for one, other in zip(*(binary.estimated(REFERENCE, w).values() for w in (whole, summed)), strict=True):
        if isinstance(one, Estimate):
            assert _value(other).value == pytest.approx(one.value)
        else:
            assert _reason(other) == one.reason


def test_what_cannot_be_estimated_says_why() -> None:
    random = np.random.default_rng(7)
    scores, labels = _labelled(random, 1_000)

    def reason(reference: BinaryReference, window: Any, name: str = "roc_auc") -> Reason:
        return _reason(binary.estimated(reference, reference.window(window))[name])

    assert reason(REFERENCE, []) == reason(REFERENCE, scores[:49]) == Reason.FEW_ROWS
    assert reason(BinaryReference.of(scores[:199], labels[:199]), scores) == Reason.FEW_REFERENCE_ROWS
    for one_class in (True, False):
        assert reason(BinaryReference.of(scores, np.full(1_000, one_class)), scores) == Reason.ONE_CLASS
    # No function of the three parameters rises and falls three times.
    waves = random.random(5_000)
    zigzag = random.random(5_000) < np.where((waves * 6).astype(int) % 2 == 0, 0.9, 0.1)
    assert reason(BinaryReference.of(waves, zigzag), waves) == Reason.UNCALIBRATED
    half = BinaryReference.of(*_labelled(random, 1_000, a=20, b=40))
    assert reason(half, random.uniform(0.9, 1.0, 500)) == Reason.SEPARABLE
    assert reason(half, np.linspace(*np.sort(half.sketch.edges)[-4:-2], 500)) == Reason.SEPARABLE  # by few rows alone
    assert reason(REFERENCE, random.uniform(0.05, 0.4, 500), "precision") == Reason.UNDEFINED
    rare = BinaryReference.of(*_labelled(random, 20_000, a=1, b=200))
    assert reason(rare, random.beta(1, 200, 200)) == Reason.ONE_CLASS
    accuracy = binary.estimated(rare, rare.window(random.beta(1, 200, 200)))["accuracy"]
    assert _value(accuracy).value > 0.95  # one class is enough for it


def test_bad_input_is_refused() -> None:
    with pytest.raises(EvaluationError, match="NaN"):
        REFERENCE.window([0.5, math.nan])
    for labels in ([None, True], [0, 2], ["yes", "no"], [True]):
        with pytest.raises(EvaluationError):
            BinaryReference.of([0.2, 0.4], labels)
    with pytest.raises(EvaluationError):
        BinaryReference.of([], [])
    with pytest.raises(EvaluationError, match="no sum"):
        REFERENCE.window([0.5]) + BinaryReference.of(*_labelled(np.random.default_rng(1), 300)).window([0.5])


def test_renamed_and_reordered_classes_change_nothing() -> None:
    random = np.random.default_rng(8)
    scores = random.dirichlet([1, 1, 1], 2_000)
    codes = (scores.cumsum(axis=1) > random.random((2_000, 1))).argmax(axis=1)

    def answers(names: tuple[str, ...], order: list[int]) -> dict[str, Answer]:
        classes = tuple(names[code] for code in order)
        labels = np.array(names)[codes]
        reference = LossReference.of("multiclass", labels[:1_000], scores[:1_000][:, order], classes)
        return losses.estimated(reference, reference.window(scores[1_000:][:, order]))

    first = answers(("a", "b", "c"), [0, 1, 2])
    assert first == answers(("z", "true", "1"), [0, 1, 2]) == answers(("a", "b", "c"), [2, 0, 1])
    decided = metric("accuracy", np.array(["a", "b", "c"])[codes[1_000:]], scores[1_000:], classes=("a", "b", "c"))
    assert _value(first["accuracy"]).low <= decided <= _value(first["accuracy"]).high
    assert _reason(first["macro_f1"]) == Reason.NO_ESTIMATOR


def test_the_error_of_a_regression_follows_where_the_predictions_move() -> None:
    random, inside = np.random.default_rng(9), {"mae": 0, "rmse": 0}
    for trial in range(100):
        values = random.uniform(1, 10, 2_000)
        reference = LossReference.of("regression", values + values * random.normal(size=2_000), values)
        window = random.triangular(1, 1 + trial % 9, 10, 400)
        truth = window + window * random.normal(size=400)
        answers = losses.estimated(reference, reference.window(window))
        for name in inside:
            estimate = _value(answers[name])
            inside[name] += estimate.low <= metric(name, truth, window) <= estimate.high
    assert min(inside.values()) >= 90
    assert _reason(losses.estimated(reference, reference.window(np.full(100, 50.0)))["mae"]) == Reason.SEPARABLE
    assert _reason(losses.estimated(reference, reference.window(window[:10]))["mae"]) == Reason.FEW_ROWS
    assert _reason(answers["r2"]) == Reason.NO_ESTIMATOR
