"""Intervals: seeded, of the right size, and paired where two models share their rows."""

import time

import numpy as np
import pytest

from ml_platform.evaluation.bootstrap import Interval, draws, interval, paired_difference
from ml_platform.evaluation.metrics import metric, statistic


def sample(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.random(rows) < 0.25
    return y, np.clip(generator.random(rows) * 0.8 + y * 0.2, 0, 1)


def test_the_same_rows_give_the_same_interval() -> None:
    y, p = sample(500)
    assert interval(statistic("roc_auc", y, p), 500) == interval(statistic("roc_auc", y, p), 500)


def test_the_interval_is_that_of_a_naive_bootstrap() -> None:
    y, p = sample(300)
    estimate = interval(statistic("average_precision", y, p), 300)
    naive = []
    for weights in draws(300, 200, seed=0):
        rows = np.repeat(np.arange(300), weights.astype(int))
        assert len(rows) == 300
        naive.append(metric("average_precision", y[rows], p[rows]))
    low, high = np.quantile(naive, [0.025, 0.975])
    assert estimate.value == metric("average_precision", y, p)
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    y = np.random.default_rng(1).normal(size=2000)
    estimate = interval(statistic("mae", y, np.zeros(2000)), 2000, resamples=1000)
    assert estimate.low is not None and estimate.high is not None
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * np.abs(y).std() / 2000**0.5, rel=0.1)


def test_what_two_models_share_cancels_in_their_difference() -> None:
    y, p = sample(2000)
    ours, theirs = statistic("roc_auc", y, p), statistic("roc_auc", y, np.round(p, 2))
    alone, paired = interval(ours, 2000), paired_difference(ours, theirs, 2000)
    assert alone.low is not None and alone.high is not None and paired.low is not None and paired.high is not None
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)
    assert paired_difference(ours, ours, 2000) == Interval(0.0, 0.0, 0.0)


def test_resamples_of_one_class_are_left_out() -> None:
    y = np.array([True, True] + [False] * 8)  # a tenth of the resamples have no positive
    estimate = interval(statistic("roc_auc", y, np.arange(10.0)), 10)
    assert estimate.low is not None and estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


def test_an_undefined_metric_has_no_interval() -> None:
    assert interval(statistic("roc_auc", [True] * 5, np.arange(5.0)), 5) == Interval(None, None, None)
    assert interval(statistic("roc_auc", [], []), 0) == Interval(None, None, None)


def test_a_month_of_flights_takes_a_fraction_of_a_second() -> None:
    y, p = sample(13_000)
    start = time.process_time()
    interval(statistic("roc_auc", y, p), 13_000)
    assert time.process_time() - start < 0.6  # 0.07 s measured on one core
