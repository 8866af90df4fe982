"""Metrics of segments and gaps between them: against naive counts, and how often the intervals hold the truth."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.intervals import Interval, share
from ml_platform.evaluation.segments import MOST_SEGMENTS, Gap, difference, measured_segments
from ml_platform_tests.evaluation.candidates import part
from ml_platform_tests.examples import tries


def _gap(gaps: tuple[Gap, ...], measure: str, segment: str = "b") -> Gap:
    return next(gap for gap in gaps if (gap.measure, gap.segment) == (measure, segment))


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.tuples(st.sampled_from("aab"), st.booleans(), st.floats(0, 1)), min_size=80, max_size=160))
def test_rates_of_segments_are_the_counts_of_their_rows(rows: list[tuple[str, bool, float]]) -> None:
    frame = pl.DataFrame({"group": [row[0] for row in rows]})
    scored = Part(frame, pl.Series([row[1] for row in rows]), (), np.array([row[2] for row in rows]))
    measured = measured_segments("binary", scored, {"group": 1})
    sizes = {name: sum(row[0] == name for row in rows) for name in "ab"}
    if not all(sizes.values()):
        assert measured.gaps == ()
        return
    largest = max("ab", key=lambda name: (sizes[name], -ord(name)))
    other = "a" if largest == "b" else "b"
    for gap in measured.gaps:
        assert (gap.segment, gap.reference) == (other, largest)

    def rate(name: str, wanted: bool) -> tuple[int, int]:
        mine = [row for row in rows if row[0] == name and row[1] is wanted]
        return sum(row[2] > 0.5 for row in mine), len(mine)

    for measure, wanted in (("true positive rate", True), ("false positive rate", False)):
        gap = _gap(measured.gaps, measure, other)
        (hits, of), (their_hits, their_of) = rate(other, wanted), rate(largest, wanted)
        assert (gap.rows, gap.reference_rows) == (of, their_of)
        if min(of, their_of) < 30:
            assert gap.outcome == "too few rows" and gap.value is None
        else:
            assert gap.value == pytest.approx(hits / of - their_hits / their_of)
            assert gap.low is not None and gap.high is not None and gap.low <= gap.value <= gap.high
            assert (gap.outcome == "differs") == (not gap.low <= 0 <= gap.high)


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    # Newcombe 1998, table II, method 10: (a) 56/70 - 48/80, (d) 9/10 - 3/10, (f) 10/10 - 0/20.
    for (hits, of), (others, of_others), low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ):
        apart = difference(share(hits, of), share(others, of_others))
        assert (apart.low, apart.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_intervals_hold_the_true_difference_about_as_often_as_they_say() -> None:
    generator, runs, holds, holds_error = np.random.default_rng(7), 200, 0, 0
    for _ in range(runs):
        apart = difference(share(generator.binomial(80, 0.3), 80), share(generator.binomial(50, 0.2), 50))
        holds += apart.low <= 0.1 <= apart.high  # type: ignore[operator]  # both have rows
        errors = generator.exponential(1.0, 60), generator.exponential(1.5, 60)
        means = [Part(pl.DataFrame(), pl.Series(np.zeros(60)), (), one).interval("mae") for one in errors]
        of_errors = difference(*means)
        holds_error += of_errors.low <= -0.5 <= of_errors.high  # type: ignore[operator]  # as above
    assert 0.91 <= holds / runs <= 0.99
    assert 0.91 <= holds_error / runs <= 0.99


def test_small_segments_are_listed_and_not_measured_and_a_null_is_a_segment() -> None:
    groups = ["a"] * 2000 + ["b"] * 900 + [None] * 100
    measured = measured_segments("binary", part(group=groups), {"group": 200, "absent": 200})
    few = {one.segment: one.rows for one in measured.metrics if one.too_few}
    assert few == {"null": 100}
    assert all(one.value is None for one in measured.metrics if one.too_few)
    assert {gap.outcome for gap in measured.gaps if gap.segment == "null"} == {"too few rows"}
    assert dict(measured.left_out) == {"absent": "it is not in the training set"}
    assert {one.metric for one in measured.metrics} >= {"roc_auc", "brier"}


def test_only_the_largest_values_of_a_column_are_segments() -> None:
    groups = [f"g{number % 40:02}" for number in range(3000)]
    measured = measured_segments("binary", part(group=groups), {"group": 50})
    assert len({one.segment for one in measured.metrics}) == MOST_SEGMENTS
    assert dict(measured.left_out) == {"group": "28 further values with fewer rows"}


def test_an_undefined_metric_has_no_gap_and_says_so() -> None:
    frame = pl.DataFrame({"group": ["a"] * 60 + ["b"] * 50})
    scored = Part(frame, pl.Series([True, False] * 30 + [False] * 50), (), np.full(110, 0.4))
    measured = measured_segments("binary", scored, {"group": 10})
    assert _gap(measured.gaps, "roc_auc").outcome == "not defined" and _gap(measured.gaps, "roc_auc").detectable is None
    assert _gap(measured.gaps, "selection rate").outcome == "not shown"
    assert difference(Interval(None, None, None), share(1, 2)) == Interval(None, None, None)


def test_classes_have_rates_of_each_and_numbers_have_none() -> None:
    generator = np.random.default_rng(1)
    frame = pl.DataFrame({"group": ["a"] * 150 + ["b"] * 150})
    labels = pl.Series(generator.choice(["x", "y", "z"], 300))
    scores = generator.dirichlet([1, 1, 1], 300)
    measured = measured_segments("multiclass", Part(frame, labels, ("x", "y", "z"), scores), {"group": 50})
    measures = {gap.measure for gap in measured.gaps}
    assert measures >= {f"{rate} of {name}" for rate in ("selection rate", "true positive rate") for name in "xyz"}
    chosen = [name == "y" for name in np.array(["x", "y", "z"])[scores.argmax(axis=1)]]
    gap = _gap(measured.gaps, "selection rate of y")
    assert gap.value == pytest.approx((sum(chosen[150:]) - sum(chosen[:150])) / 150)
    numbers = Part(frame, pl.Series(generator.normal(size=300)), (), generator.normal(size=300))
    gaps = measured_segments("regression", numbers, {"group": 50}).gaps
    assert {gap.measure for gap in gaps} == {"mae", "rmse", "r2"} and not math.isnan(gaps[0].value or math.nan)
