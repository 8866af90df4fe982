"""A canary leaves its bounds by evidence, and never by chance or by what all versions suffer."""

from math import inf

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.serving.canary_bounds import ENOUGH_TIMED, CanaryFigures, Timed, why_out_of_bounds
from ml_platform.serving.canary_share import CanaryShare


def timed(times: np.ndarray) -> Timed:  # type: ignore[type-arg]  # of floats
    return Timed(len(times), float(times.sum()), float((times**2).sum()))


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.text(max_size=20))
def test_a_larger_share_has_all_keys_of_a_smaller_one(one: float, other: float, key: str) -> None:
    small, large = sorted((one, other))
    assert CanaryShare("p", 3, large).has(key) or not CanaryShare("p", 3, small).has(key)


def test_the_share_of_keys_is_the_share_that_was_asked_for_and_each_version_has_others() -> None:
    keys = [str(number) for number in range(20_000)]
    third, fourth = (CanaryShare("p", version, 0.1).of(keys) for version in (3, 4))
    assert abs(third.mean() - 0.1) < 0.01 and abs(fourth.mean() - 0.1) < 0.01
    assert abs((third & fourth).mean() - 0.01) < 0.005
    assert third.tolist()[:12] == CanaryShare("p", 3, 0.1).of(keys[:12]).tolist()


def test_errors_are_a_share_of_at_least_a_hundred_rows() -> None:
    assert not why_out_of_bounds(CanaryFigures(answered=0, failed=1), 0.01, 2.0)
    assert "2 of 2 rows" in why_out_of_bounds(CanaryFigures(answered=0, failed=2), 0.01, 2.0)
    assert not why_out_of_bounds(CanaryFigures(answered=990, failed=10), 0.01, 2.0)
    assert why_out_of_bounds(CanaryFigures(answered=990, failed=11), 0.01, 2.0)
    assert why_out_of_bounds(CanaryFigures(answered=10**6, failed=1), 0.0, 2.0)


def test_latency_is_judged_after_enough_rows_and_beyond_its_noise() -> None:
    times = np.random.default_rng(7).gamma(4.0, 1e-4, 5_000)
    for rows in (ENOUGH_TIMED - 1, ENOUGH_TIMED):
        figures = CanaryFigures(rows, 0, timed(5 * times[:rows]), timed(times))
        assert bool(why_out_of_bounds(figures, 0.01, 2.0)) == (rows == ENOUGH_TIMED)
    assert not why_out_of_bounds(CanaryFigures(300, 0, timed(2.02 * times[:300]), timed(times)), 0.01, 2.0)


def test_a_bound_of_latency_that_nothing_reaches_is_kept_and_the_bound_of_errors_is_as_it_was() -> None:
    times = np.random.default_rng(7).gamma(4.0, 1e-4, 500)
    for ratio in (1e200, inf):
        assert not why_out_of_bounds(CanaryFigures(500, 0, timed(times), timed(times)), 0.01, ratio)
        assert why_out_of_bounds(CanaryFigures(500, 50, timed(times), timed(times)), 0.01, ratio)


def test_a_machine_that_is_busy_for_both_versions_takes_none_back() -> None:
    chance = np.random.default_rng(11)
    for _ in range(200):
        busy = chance.uniform(1.0, 30.0)
        canary, champion = (busy * chance.gamma(4.0, 1e-4, rows) for rows in (400, 3_600))
        canary[chance.random(400) < 0.01] += 0.05  # another thread ran meanwhile
        champion[chance.random(3_600) < 0.01] += 0.05
        assert not why_out_of_bounds(CanaryFigures(400, 0, timed(canary), timed(champion)), 0.01, 2.0)
