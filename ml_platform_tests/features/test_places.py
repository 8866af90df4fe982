"""Stretches of examples that rows cover, against counting every pair."""

import numpy as np
import polars as pl
import pytest

from ml_platform.features.arithmetic import RunningSums, mean_of, means_of, std_of, stds_of, sum_of, sums_of, units
from ml_platform.features.places import ALWAYS, NEVER, Extremes, Places


@pytest.mark.parametrize("spread", [50, 2**58])  # the second fits no 64 bits beside the group
def test_rows_cover_the_examples_of_their_group_with_start_before_at_up_to_end(spread: int) -> None:
    random = np.random.default_rng(3)
    group, at = random.integers(-1, 40, 300), random.integers(-spread, spread, 300)
    rows, start = random.integers(0, 40, 500), random.integers(-spread, spread, 500)
    start[:20] = ALWAYS
    start[20:200] = random.choice(at, 180)
    end = np.where(random.random(500) < 0.2, NEVER, start // 2 + random.integers(0, spread, 500))
    places = Places(group, at)
    first, last = places.after(places.keys(rows, start)), places.after(places.keys(rows, end))
    kept = last > first
    values = random.integers(-9, 9, 500)
    sums, least = RunningSums(places.size, squared=False), Extremes(places.size, np.minimum, 99, np.int64)
    sums.add(first[kept], last[kept], values[kept])
    least.add(first[kept], last[kept], values[kept])
    total, lowest = sums.result("", np.zeros(1, np.int64)).gather(places.place_of), least.result()[places.place_of]
    for index in range(300):
        covering = (rows == group[index]) & (start < at[index]) & (at[index] <= end)
        assert total[index] == values[covering].sum()
        assert lowest[index] == min(values[covering], default=99)


@pytest.mark.parametrize("largest", [2**15, 2**31, 2**40, 2**53])
def test_many_at_once_have_the_bits_of_one_at_a_time(largest: int) -> None:  # S13
    random = np.random.default_rng(4)
    values = random.integers(-largest, largest, 60)
    spot = np.arange(60) // 6
    for resolution in (1e-6, 1.0, 0.25, 1e3, 1e-9, 0.003):
        s, r = RunningSums(10, squared=False), RunningSums(10, squared=True)
        for sums in (s, r):
            sums.add(spot, spot + 1, values)
        n = np.append(np.full(10, 6), 0)
        summed = s.result("", n), r.result("", n)
        counts = pl.Series(np.full(11, 6)).cast(pl.Int128)
        exact = zip(
            sums_of(summed[0], resolution),
            means_of(counts, summed[0], resolution),
            stds_of(counts, *summed, resolution),
            strict=True,
        )
        for place, (total, mean, std) in zip(range(10), exact, strict=False):
            whole = [int(value) for value in values[spot == place]]
            one, square = sum(whole), sum(value * value for value in whole)
            assert (total, mean) == (sum_of(one, resolution), mean_of(6, one, resolution))
            assert std == std_of(6, one, square, resolution)


def test_units_are_rounded_half_to_even_alike() -> None:  # S13
    values = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.1, 1e9, 123456.789, -3.75])
    for resolution in (1.0, 1e-6, 0.25, 1e3):
        assert units(values, resolution, "").tolist() == [round(value / resolution) for value in values.tolist()]
    assert units(values, 1.0, "")[:4].tolist() == [0, 2, 2, 0]
