"""The figures against naive versions of them, and columns that are hard to judge."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median, pstdev

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.quality import distribution, mixes, rhythm
from ml_platform.quality.findings import Finding
from ml_platform.quality.history import Column, History, Profile
from ml_platform.quality.profile import LEVELS
from ml_platform.quality.tolerance import Tolerance, deviation
from ml_platform_tests.examples import tries
from ml_platform_tests.quality.flight_profiles import profiled

Judge = Callable[[History], list[Finding]]
JUDGES: list[Judge] = [
    *(rhythm.volume, rhythm.rows_by_day, rhythm.freshness, rhythm.repeats, distribution.missing),
    *(distribution.frozen, mixes.levels, distribution.units, distribution.direction, distribution.shift),
    mixes.hours,
]
counts = st.lists(st.integers(0, 50), min_size=24, max_size=24).filter(any)


def judged(judge: Judge, now: pl.DataFrame, *earlier: pl.DataFrame, event: str | None = None) -> list[Finding]:
    before = tuple(profiled(rows, f"2013-{i + 1:02}", event) for i, rows in enumerate(earlier))
    return judge(History(profiled(now, f"2013-{len(earlier) + 1:02}", event), before, event))


def failed(judge: Judge, now: pl.DataFrame, *earlier: pl.DataFrame, event: str | None = None) -> list[str]:
    return [finding.column for finding in judged(judge, now, *earlier, event=event) if not finding.passed]


def numbers(seed: int, rows: int = 400, scale: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame({"x": np.random.default_rng(seed).lognormal(size=rows) * scale})


def share(histogram: list[int]) -> list[float]:
    return [count / sum(histogram) for count in histogram]


@given(counts, counts)
def test_the_distance_round_the_clock_is_the_least_over_every_place_to_cut_it(a: list[int], b: list[int]) -> None:
    def straight(x: list[float], y: list[float]) -> float:
        total, work = 0.0, 0.0
        for mine, theirs in zip(x, y, strict=True):
            total += mine - theirs
            work += abs(total)
        return work

    x, y = share(a), share(b)
    naive = min(straight(x[cut:] + x[:cut], y[cut:] + y[:cut]) for cut in range(24))
    assert mixes.round_the_clock(x, y) == pytest.approx(naive, abs=1e-9)


@given(counts, st.integers(0, 23))
def test_a_shift_of_the_clock_costs_at_most_its_hours_and_as_much_either_way(a: list[int], by: int) -> None:
    x = share(a)
    y = x[-by:] + x[:-by] if by else x
    there, back = mixes.round_the_clock(x, y), mixes.round_the_clock(y, x)
    assert there == pytest.approx(back) and there <= min(by, 24 - by) + 1e-9
    assert all(mixes.round_the_clock(x, z) <= 12 + 1e-9 for z in ([1.0, *[0.0] * 23], share([1] * 24)))


@given(st.lists(st.floats(-100, 100), max_size=30))
def test_a_tolerance_stays_between_floor_and_cap_and_is_widest_at_first(moved: list[float]) -> None:
    tolerance = Tolerance(floor=0.5, cap=2.0)
    assert tolerance.of([]) == 2.0
    assert 0.5 <= tolerance.of(moved) <= 2.0
    faults = [m for m in moved if abs(m) > 2.0]
    assert tolerance.of([*moved, *faults]) <= tolerance.of(moved), "a fault never widens it"


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=50), st.floats(-1e6, 1e6), st.floats(0.1, 10))
def test_the_deviation_moves_with_the_scale_and_not_with_the_place(
    values: list[float], by: float, times: float
) -> None:
    assert deviation([v * times + by for v in values]) == pytest.approx(deviation(values) * times, rel=1e-6, abs=1e-4)
    assert deviation(values) <= 1.4826 * 2 * pstdev(values) * math.sqrt(2) + 1e-6


@settings(deadline=None, max_examples=tries(25))
@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=50, max_size=80), min_size=2, max_size=5))
def test_the_mix_is_compared_with_the_nearest_earlier_one(texts: list[list[str]]) -> None:
    whole = [[*text, *"abcde"] for text in texts]  # nothing comes or goes
    *earlier, now = ([text.count(level) / len(text) for level in "abcde"] for text in whole)
    naive = min(sum(abs(a - b) for a, b in zip(now, other, strict=True)) / 2 for other in earlier)
    *before, last = (pl.DataFrame({"x": text}) for text in whole)
    [finding] = judged(mixes.levels, last, *before)
    assert finding.value == pytest.approx(naive)


@settings(deadline=None, max_examples=10)
@given(st.integers(2, 8), st.integers(0, 1000))
def test_the_same_rows_again_are_never_at_fault(earlier: int, seed: int) -> None:
    rows = numbers(seed).with_columns(y=pl.lit("a"), z=pl.int_range(pl.len()) % 3 == 0)
    assert all(failed(judge, rows, *[rows] * earlier) == [] for judge in JUDGES if judge is not rhythm.volume)


@pytest.mark.parametrize("times", [60, 1 / 60, 1000, 5])
def test_another_unit_is_a_ratio_whatever_the_direction(times: float) -> None:
    months = [numbers(seed) for seed in range(4)]
    [finding] = judged(distribution.units, numbers(9, scale=times), *months)
    assert not finding.passed
    assert finding.value == pytest.approx(max(times, 1 / times), rel=0.3)


def test_a_season_that_widens_the_middle_more_than_the_tails_is_no_other_unit() -> None:
    def hours(scale: float) -> pl.DataFrame:  # rentals by guests: most in few hours, and never above 400
        drawn = np.random.default_rng(int(scale)).lognormal(sigma=1.4, size=720) * scale
        return pl.DataFrame({"x": np.minimum(drawn, 150).astype(int)})

    winter, spring = [hours(5), hours(6), hours(7)], hours(28)
    [finding] = judged(distribution.units, spring, *winter)
    assert finding.passed
    [minutes] = judged(distribution.units, spring.select(pl.col("x") * 60), *winter)
    assert not minutes.passed
    assert " to " in minutes.description and "1/" not in minutes.description


def test_the_casual_rentals_of_the_first_spring_are_in_the_usual_unit() -> None:
    quantiles = {
        "2011-01": (0, 1, 2, 6, 29),
        "2011-02": (0, 1, 4, 10, 84),
        "2011-03": (0, 2, 9, 22, 144),
        "2011-04": (0, 4, 17, 41, 184),
    }
    *winter, spring = [
        Profile(month, {"casual": Column("casual", "Int32", rows=700, distinct=90, quantiles=quantiles[month])})
        for month in quantiles
    ]
    [finding] = distribution.units(History(spring, tuple(winter)))
    assert finding.passed
    assert finding.description == (
        "casual: the spread of 700 values is 2.2 times the usual one (184, before 84); 21 to 336 is allowed."
    )


def test_a_negated_column_turns_round_and_a_symmetric_one_cannot_be_judged() -> None:
    months = [numbers(seed) for seed in range(3)]
    assert failed(distribution.direction, numbers(9).select(-pl.col("x")), *months) == ["x"]
    even = [pl.DataFrame({"x": np.random.default_rng(seed).normal(size=400)}) for seed in range(4)]
    assert judged(distribution.direction, even[0].select(-pl.col("x")), *even[1:]) == []


@pytest.mark.parametrize(
    "inverted", [pl.col("x") < 0.3, (pl.col("x") < 0.3).cast(pl.Int8), (pl.col("x") < 0.7).cast(pl.Int32)]
)
def test_an_inverted_flag_is_another_mix(inverted: pl.Expr) -> None:
    drawn = [
        pl.DataFrame({"x": np.random.default_rng(seed).random(500)}).select(inverted.alias("x")) for seed in range(4)
    ]
    turned = ~pl.col("x") if drawn[3]["x"].dtype == pl.Boolean else (1 - pl.col("x")).cast(drawn[3]["x"].dtype)
    now = drawn[3].select(turned.alias("x"))
    assert failed(mixes.levels, drawn[3], *drawn[:3]) == []
    assert failed(mixes.levels, now, *drawn[:3]) == ["x"]


def test_a_few_values_far_out_move_the_mean() -> None:
    months = [numbers(seed) for seed in range(3)]
    outliers = numbers(9).with_columns(x=pl.when(pl.int_range(pl.len()) % 50 == 0).then(1e4).otherwise("x"))
    assert failed(distribution.shift, numbers(9), *months) == []
    assert failed(distribution.shift, outliers, *months) == ["x"]


def test_a_season_that_returns_is_no_shift() -> None:
    def month(seed: int, warmth: float) -> pl.DataFrame:
        return numbers(seed).with_columns(pl.col("x") + warmth)

    year = [month(seed, warmth) for seed, warmth in enumerate([0, 0, 1, 2, 3, 4, 3, 2])]
    assert failed(distribution.shift, month(99, 0.5), *year) == []
    assert failed(distribution.shift, month(99, 30), *year) == ["x"]


def test_levels_that_come_and_go_are_named_with_their_share() -> None:
    earlier = pl.DataFrame({"x": ["a"] * 95 + ["b"] * 5})
    now = pl.DataFrame({"x": ["a"] * 90 + ["c"] * 10})
    [finding] = judged(mixes.levels, now, earlier, earlier)
    assert not finding.passed
    assert finding.description.startswith("x: c appeared (10.0% of the values); b vanished (5.0% before)")


def test_texts_too_many_to_be_counted_are_judged_by_their_form() -> None:
    codes = pl.DataFrame({"x": [f"N{number}UW" for number in range(3 * LEVELS)]})
    assert failed(mixes.levels, codes.reverse(), codes, codes) == []
    [finding] = judged(mixes.levels, codes.select(pl.col("x").str.to_lowercase()), codes, codes)
    assert not finding.passed and "a9a appeared (100.0% of the values)" in finding.description


def test_numbers_that_name_rows_may_go_on_growing() -> None:
    months = [profiled(pl.DataFrame({"x": range(n * 700, (n + 1) * 700)}), f"2013-{n + 1:02}") for n in range(4)]
    for judge in (distribution.shift, distribution.units, distribution.direction):
        assert judge(History(months[3], tuple(months[:3]), keys=("x",))) == []
    assert [f.passed for f in distribution.shift(History(months[3], tuple(months[:3])))] == [False], (
        "a quantity may not"
    )


def test_a_flag_that_few_rows_have_may_stay_away_for_a_month() -> None:
    holidays, half = (pl.DataFrame({"x": [row < often for row in range(700)]}) for often in (24, 350))
    quiet = pl.DataFrame({"x": [False] * 700})
    assert failed(distribution.frozen, quiet, holidays, holidays) == []
    assert failed(distribution.frozen, quiet, half, half) == ["x"]


def test_a_column_with_rows_of_one_value_by_nature_is_not_frozen() -> None:
    still = pl.DataFrame({"x": [1.0] * 400})
    assert all(failed(judge, still, still, still) == [] for judge in JUDGES)
    rare = pl.DataFrame({"x": [0.0] * 99 + [1.0]})
    assert failed(distribution.frozen, rare.with_columns(x=pl.lit(0.0)), rare, rare) == [], "one of 100 may stay away"


@pytest.mark.parametrize(
    "now",
    [
        pl.DataFrame(schema={"x": pl.Float64}),
        pl.DataFrame({"x": [1.0]}),
        pl.DataFrame({"x": [None] * 400}, schema={"x": pl.Float64}),
        pl.DataFrame({"x": [float("nan")] * 400}),
        pl.DataFrame({"x": [float("inf"), -float("inf")] * 200}),
        pl.DataFrame({"new": np.arange(400.0)}),
        pl.DataFrame({"x": ["a", "b"] * 200}),
        pl.DataFrame({"x": [[1.0]] * 400}),
    ],
    ids=["empty", "one row", "all null", "all NaN", "infinite", "a new column", "another type", "a list"],
)
def test_odd_columns_are_judged_or_left_alone_and_break_nothing(now: pl.DataFrame) -> None:
    months = [numbers(seed) for seed in range(3)]
    for judge in JUDGES:
        for finding in judged(judge, now, *months) + judged(judge, months[0], now, *months):
            assert math.isfinite(finding.value) and finding.description and finding.draw().startswith(b"<svg")


def test_null_and_not_a_number_are_both_missing() -> None:
    whole = [numbers(seed) for seed in range(3)]
    hole = pl.when(pl.int_range(pl.len()) % 10 == 0)
    for gap in (None, float("nan")):
        [finding] = judged(
            distribution.missing, numbers(9).select(hole.then(pl.lit(gap)).otherwise("x").alias("x")), *whole
        )
        assert (finding.value, finding.threshold) == (0.1, 0.05) and not finding.passed
        assert (
            finding.description.startswith("x: 10.0% of ") and "5.0% more or fewer are allowed" in finding.description
        )


def test_the_tolerance_of_missing_values_follows_how_much_they_vary() -> None:
    def month(missing: int) -> pl.DataFrame:
        return pl.DataFrame({"x": [None] * missing + [1.5] * (1000 - missing)})

    steady, restless = [20, 22, 18, 20, 21, 19, 20], [20, 100, 60, 140, 20, 90, 120]
    assert failed(distribution.missing, month(55), *map(month, steady)) == ["x"]
    assert failed(distribution.missing, month(160), *map(month, restless)) == []
    assert median(restless) == 90


def events(days: list[int], month: int) -> pl.DataFrame:
    start = datetime(2013, month, 1, tzinfo=UTC)
    times = [start + timedelta(days=day, minutes=n) for day, rows in enumerate(days) for n in range(rows)]
    return pl.DataFrame({"at": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})


def test_a_day_is_compared_with_its_weekday_and_chance_is_allowed_for() -> None:
    def month(number: int, length: int) -> list[int]:
        first = datetime(2013, number, 1, tzinfo=UTC).weekday()
        return [300 if (first + day) % 7 < 5 else 60 for day in range(length)]

    january, february = month(1, 31), month(2, 28)
    assert failed(rhythm.rows_by_day, events(february, 2), events(january, 1), event="at") == []
    for day, rows in ((4, 0), (4, 140), (4, 600), (8, 120)):
        broken = [rows if i == day else n for i, n in enumerate(february)]
        [finding] = judged(rhythm.rows_by_day, events(broken, 2), events(january, 1), event="at")
        assert not finding.passed and f"{day + 1:02} February 2013 has {rows:,} rows" in finding.description
    few = events([3, 5, 1, 4] * 7, 1), events([4, 1, 0, 9] * 7, 2)
    assert failed(rhythm.rows_by_day, few[1], few[0], event="at") == [], "few rows vary by chance"


def test_the_values_of_declared_identifiers_may_come_and_go() -> None:
    days = [profiled(pl.DataFrame({"x": [f"c{n}{i}" for i in range(5)] * 40}), f"2013-{n + 1:02}") for n in range(4)]
    assert [f.passed for f in mixes.levels(History(days[3], tuple(days[:3])))] == [False]
    assert mixes.levels(History(days[3], tuple(days[:3]), identifiers=("x",))) == []


def test_a_first_partition_may_be_empty_where_the_rows_begin_later() -> None:
    empty = Profile("2013-01", {}, span=timedelta(days=31))
    assert not rhythm.no_rows_are_usual(History(empty))
    assert rhythm.no_rows_are_usual(History(empty, begins_later=True))
