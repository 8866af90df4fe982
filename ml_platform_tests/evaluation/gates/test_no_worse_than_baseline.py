"""A candidate against a linear model of the same columns, fitted on the same training part."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.metrics import metric
from ml_platform.spec.gates import NoWorseThanBaseline
from ml_platform_tests.evaluation.candidates import outcome, part


def scoring(column: str, holdout: Part | None = None) -> Part:
    """The holdout as a model scores it that answers with one column."""
    rows = holdout or part(seed=2)
    return replace(rows, scores=rows.frame[column].to_numpy())


def ring(seed: int) -> Part:
    """A label that is true where `angle` is far from the middle: a line cannot tell, `edge` can."""
    generator = np.random.default_rng(seed)
    angle = generator.random(3000)
    edge = np.abs(angle - 0.5) * 2
    frame = pl.DataFrame({"angle": angle, "edge": edge})
    return Part(frame, pl.Series(generator.random(3000) < edge), (), edge)


def test_a_candidate_that_is_shown_worse_than_the_baseline_fails() -> None:
    verdict = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("noise"))
    assert verdict.passed is False and verdict.measured
    assert verdict.high is not None and verdict.high < 0 and verdict.threshold == 0


def test_a_candidate_that_knows_what_no_line_can_tell_passes() -> None:
    verdict = outcome(NoWorseThanBaseline("roc_auc"), train=ring(1), holdout=ring(2), columns=("angle",))
    assert verdict.passed is True and verdict.low is not None and verdict.low > 0.2


def test_a_difference_that_chance_explains_fails_nobody() -> None:
    verdict = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("signal"))
    assert verdict.passed is True and verdict.value == pytest.approx(0, abs=0.01)
    assert verdict.low is not None and verdict.high is not None and verdict.low < verdict.high


def test_the_baseline_may_be_better_within_the_tolerance() -> None:
    worse = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("worse"))
    assert worse.passed is False and worse.value is not None and -0.2 < worse.value < -0.05
    allowed = outcome(NoWorseThanBaseline("roc_auc", tolerance=0.2), holdout=scoring("worse"))
    assert (allowed.passed, allowed.value, allowed.threshold) == (True, worse.value, -0.2)


def test_what_the_rows_leave_open_passes() -> None:
    worse = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("worse"))
    assert worse.value is not None
    verdict = outcome(NoWorseThanBaseline("roc_auc", tolerance=-worse.value), holdout=scoring("worse"))
    assert verdict.passed is True and verdict.low is not None and verdict.threshold is not None
    assert verdict.low < verdict.threshold and verdict.detail.endswith("the gate passes.")


def test_the_upper_end_decides_at_the_tolerance() -> None:
    end = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("worse")).high
    assert end is not None and end < 0
    assert outcome(NoWorseThanBaseline("roc_auc", tolerance=-end), holdout=scoring("worse")).passed is True
    assert outcome(NoWorseThanBaseline("roc_auc", tolerance=-end - 1e-9), holdout=scoring("worse")).passed is False


def test_the_verdict_tells_both_values_the_difference_with_its_interval_and_the_rows() -> None:
    holdout = scoring("noise")
    verdict = outcome(NoWorseThanBaseline("roc_auc", tolerance=0.01), holdout=holdout)
    ours = metric("roc_auc", holdout.labels, holdout.scores)
    assert verdict.value is not None and verdict.rows == len(holdout) == 3000
    assert verdict.low is not None and verdict.high is not None
    assert f"{ours:.4g} against {ours - verdict.value:.4g}" in verdict.detail
    assert f"{-verdict.value:.4g} worse" in verdict.detail
    assert f"{-verdict.low:.4g} worse to {-verdict.high:.4g} worse" in verdict.detail


def test_losses_are_turned_round_so_that_more_is_better() -> None:
    verdict = outcome(NoWorseThanBaseline("log_loss"), holdout=scoring("noise"))
    assert verdict.passed is False and verdict.value is not None and verdict.value < 0


def test_it_is_fitted_on_the_training_part_and_not_on_the_holdout() -> None:
    turned = replace(part(seed=1), labels=~part(seed=1).labels)
    verdict = outcome(NoWorseThanBaseline("roc_auc"), train=turned, holdout=scoring("noise"))
    assert verdict.passed is True and verdict.value is not None and verdict.value > 0.2


def test_it_sees_the_columns_of_the_candidate_and_no_others() -> None:
    verdict = outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("worse"), columns=("noise", "origin"))
    assert verdict.passed is True and verdict.low is not None and verdict.low > 0.1


def test_classes_are_compared_though_the_training_part_lacks_one() -> None:
    def thirds(rows: Part, names: str) -> pl.Series:
        return pl.Series([names[int(3 * value) % len(names)] for value in rows.frame["signal"]])

    holdout, classes = part(seed=2), tuple("abc")
    labels = thirds(holdout, "abc")
    sure = np.array([[0.998 if label == name else 0.001 for name in classes] for label in labels])
    changes: dict[str, Any] = {
        "task": "multiclass",
        "holdout": replace(holdout, labels=labels, classes=classes, scores=sure),
    }
    for names in ("abc", "ab"):
        train = replace(part(seed=1), labels=thirds(part(seed=1), names))
        verdict = outcome(NoWorseThanBaseline("log_loss"), train=train, **changes)
        assert verdict.passed is True and verdict.measured and verdict.value is not None and verdict.value > 0, names


def test_numbers_are_compared_by_their_error() -> None:
    rows, train = part(seed=2), part(seed=1)
    train = replace(train, labels=3 * train.frame["signal"] + 1)
    changes: dict[str, Any] = {"task": "regression", "train": train}
    labels = 3 * rows.frame["signal"] + 1
    near, far = (replace(rows, labels=labels, scores=labels.to_numpy() + error) for error in (0.0, 0.5))
    assert outcome(NoWorseThanBaseline("rmse", tolerance=0.01), holdout=near, **changes).passed is True
    verdict = outcome(NoWorseThanBaseline("rmse", tolerance=0.01), holdout=far, **changes)
    assert verdict.passed is False and verdict.value == pytest.approx(-0.5, abs=0.01)


def test_without_the_training_part_there_is_no_evidence() -> None:
    verdict = outcome(NoWorseThanBaseline("roc_auc"), train=None)
    assert (verdict.passed, verdict.measured) == (False, False) and "no evidence" in verdict.detail


def test_a_training_part_that_fits_no_model_is_a_failed_gate_that_may_be_measured_again() -> None:
    one = replace(part(seed=1), labels=pl.Series([True] * 3000))
    verdict = outcome(NoWorseThanBaseline("roc_auc"), train=one)
    assert (verdict.passed, verdict.measured) == (False, False) and "TrainingError" in verdict.detail


def test_a_holdout_of_one_class_proves_nothing_and_fails() -> None:
    one = replace(part(seed=2), labels=pl.Series([True] * 3000))
    verdict = outcome(NoWorseThanBaseline("roc_auc"), holdout=one)
    assert verdict.passed is False and verdict.value is None and "one class" in verdict.detail


def test_the_same_candidate_gets_the_same_verdict() -> None:
    first, second = (outcome(NoWorseThanBaseline("roc_auc"), holdout=scoring("worse")) for _ in range(2))
    assert first == second
