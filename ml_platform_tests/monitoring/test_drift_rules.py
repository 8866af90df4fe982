"""What alarms about single columns, and what does not: important ones, nulls, new categories, calendars (S29)."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml_platform import Drift
from ml_platform.monitoring.calendar import SLICES, Slice, calendar_columns
from ml_platform.monitoring.drift import CALENDAR, ColumnDrift, Population, compared, weighted
from ml_platform.monitoring.drift_checks import check_names, run_checks
from ml_platform.monitoring.drift_rules import alarming

NORMAL = np.random.default_rng(7).normal(size=3000)
LEVELS = ["a", "b", "c"] * 1000
# No column but the first could bring the weighted figure above its bound.
WEIGHTS = {"top": 0.2, "level": 0.1, **{f"x{n}": 0.05 for n in range(14)}}


def population(**changes: object) -> pl.DataFrame:
    quiet = {name: NORMAL for name in WEIGHTS if name != "level"}
    return pl.DataFrame({**quiet, "level": LEVELS, **changes}, strict=False)


def judged(then: pl.DataFrame, now: pl.DataFrame, weights: dict[str, float]) -> tuple[float | None, dict[str, bool]]:
    """The weighted figure, and whether each check passed."""
    columns = list(compared(Population.of(then), Population.of(now), list(weights)))
    figure = weighted(columns, weights)
    checks = run_checks(Drift(), columns, [], weights, figure)
    assert [check.name for check in checks] == [name for name, _ in check_names(Drift())]
    return figure, {check.name: check.passed for check in checks}


def failed(checks: dict[str, bool]) -> set[str]:
    return {name for name, passed in checks.items() if not passed}


def test_the_same_rows_alarm_nothing() -> None:
    assert failed(judged(population(), population(), WEIGHTS)[1]) == set()


def test_the_top_column_moved_by_two_deviations_alarms_though_its_share_of_the_figure_is_small() -> None:
    figure, checks = judged(population(), population(top=NORMAL + 2 * NORMAL.std()), WEIGHTS)
    assert figure is not None and figure < Drift().weighted
    assert failed(checks) == {"important_columns"}


def test_the_top_column_all_null_alarms() -> None:
    _, checks = judged(population(), population(top=pl.Series([None] * 3000, dtype=pl.Float64)), WEIGHTS)
    assert failed(checks) == {"important_columns", "null_share"}


def test_the_top_column_gone_alarms() -> None:
    _, checks = judged(population(), population().drop("top"), WEIGHTS)
    assert failed(checks) == {"important_columns"}


def test_categories_that_were_never_seen_alarm_by_their_share_of_the_rows() -> None:
    weights = {**WEIGHTS, "level": 0.05}
    few, many = (["new"] * n + LEVELS[n:] for n in (300, 301))
    assert failed(judged(population(), population(level=few), weights)[1]) == set()
    assert failed(judged(population(), population(level=many), weights)[1]) == {"unseen_categories"}


def test_an_unimportant_column_and_one_that_the_model_does_not_use_alarm_nothing() -> None:
    moved = population(x1=NORMAL + 5, level=["new"] * 3000)
    assert failed(judged(population(), moved, {**WEIGHTS, "level": 0.0})[1]) == set()


def test_the_most_important_column_is_judged_however_small_its_share() -> None:
    weights = {f"x{n}": 0.02 + 0.001 * (n == 7) for n in range(14)}
    assert failed(judged(population(), population(x7=NORMAL + 2), weights)[1]) == {"important_columns"}
    assert failed(judged(population(), population(x6=NORMAL + 2), weights)[1]) == set()


def test_sentences_about_nulls_and_changes_say_of_which_columns_they_are() -> None:
    half = pl.Series([None, 1.0] * 1500)
    unused = {**WEIGHTS, "x3": 0.0}
    columns = list(compared(Population.of(population()), Population.of(population(x3=half).drop("x1")), list(unused)))
    figure, _, _, nulls, _ = run_checks(Drift(), columns, [], unused, weighted(columns, unused))
    assert nulls.passed and "moved by at most 0.0%, and up to 10% is allowed" in nulls.description
    assert figure.description.endswith(". Not as in the training data: x1 is missing.")
    columns = list(compared(Population.of(population()), Population.of(population(x3=half)), list(WEIGHTS)))
    nulls = run_checks(Drift(), columns, [], WEIGHTS, weighted(columns, WEIGHTS))[3]
    assert nulls.description == (
        "The share of nulls moved by more than the allowed 10% in 1 column that the model uses: x3 from 0.0% to 50.0%."
    )


def test_the_sentence_names_the_column_and_how_it_moved() -> None:
    columns = list(compared(*map(Population.of, (population(), population(top=NORMAL + 2))), list(WEIGHTS)))
    check = run_checks(Drift(), columns, [], WEIGHTS, weighted(columns, WEIGHTS))[2]
    assert check.description.startswith("Above the allowed PSI of 0.5: top has PSI ")
    assert check.description.endswith("and moved by 2.0 standard deviations, 20% of the importance.")


# -- calendars --------------------------------------------------------------------------------------

YEAR = datetime(2013, 1, 1, tzinfo=UTC)


def flights(first: int, days: int, seed: int = 3) -> pl.DataFrame:
    """Flights of some days of two years, with columns of time, of season and of neither."""
    random = np.random.default_rng([seed, first])
    at = [YEAR + timedelta(hours=float(h)) for h in np.sort(random.uniform(first, first + days, 40 * days)) * 24]
    frame = pl.DataFrame({"at": at}).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    day, noise = pl.col("at").dt.ordinal_day(), pl.Series(random.normal(size=len(at)))
    return frame.with_columns(
        day_of_year=day,
        month=pl.col("at").dt.month(),
        hour=pl.col("at").dt.hour(),
        number=pl.int_range(pl.len()) + 40 * first,
        temp=pl.lit(noise) * 5 - 12 * (2 * math.pi * day / 365).cos(),
        delay=pl.lit(pl.Series(random.gamma(2, 10, len(at)))),
    )


COLUMNS = ["day_of_year", "month", "hour", "number", "temp", "delay"]
OF_TIME_ALONE = frozenset({"day_of_year", "month", "hour"})


def slices(frame: pl.DataFrame) -> dict[str, list[Slice]]:
    span = pl.col("at").dt.epoch("us")
    place = SLICES * (span - span.min()) // (span.max() - span.min() + 1)
    grouped = frame.group_by(slice=place).agg(
        *(pl.col(name).min().alias(f"{name} low") for name in COLUMNS),
        *(pl.col(name).max().alias(f"{name} high") for name in COLUMNS),
    )
    rows = grouped.sort("slice").to_dicts()
    return {name: [Slice(row[f"{name} low"], row[f"{name} high"]) for row in rows] for name in COLUMNS}


def calendars(then: pl.DataFrame, now: pl.DataFrame, of_time_alone: frozenset[str] = OF_TIME_ALONE) -> set[str]:
    return set(calendar_columns(slices(then), slices(now), of_time_alone))


def test_what_only_tells_the_time_is_recognised_in_the_next_month_and_in_the_next_year() -> None:
    spring = flights(0, 120)
    assert calendars(spring, flights(120, 30)) == {"day_of_year", "month", "number"}
    assert calendars(flights(0, 365), flights(365, 28)) == {"day_of_year", "month", "number"}
    assert calendars(flights(200, 365), flights(565, 28)) == {"day_of_year", "month", "number"}


def test_a_calendar_made_in_clean_is_recognised_by_its_values() -> None:
    no_derived: frozenset[str] = frozenset()
    assert calendars(flights(0, 120), flights(120, 30), no_derived) == {"day_of_year", "month", "number"}
    assert "day_of_year" in calendars(flights(0, 365), flights(365, 28), no_derived)


def test_a_counter_that_stopped_and_a_switch_that_was_thrown_are_no_calendars() -> None:
    then, now = slices(flights(0, 120)), slices(flights(120, 30))
    stopped = {"number": [Slice(5, 5)] * 64}
    switch = {"number": [Slice(0, 0)] * 40 + [Slice(1, 1)] * 24}
    assert calendar_columns(then, stopped, frozenset()) == set()
    assert calendar_columns(switch, {"number": [Slice(1, 1)] * 64}, frozenset()) == set()
    assert calendar_columns({"number": []}, {"number": []}, frozenset({"number"})) == set()
    assert calendar_columns(then, now, frozenset()) >= {"number"}


def test_neither_the_calendar_nor_the_season_alarms_in_any_month() -> None:
    # As on real flights: temperature has 3 % of the importance, and PSI up to 6 from one season to the next.
    weights = {"delay": 0.5, "hour": 0.32, "day_of_year": 0.15, "temp": 0.03}
    for month in range(4, 16):
        then, now = flights(0, 30 * month), flights(30 * month, 30)
        columns = list(compared(Population.of(then), Population.of(now), list(weights)))
        left_out = calendars(then, now)
        marked = [
            ColumnDrift(one.name, CALENDAR, "number", one.psi) if one.name in left_out else one for one in columns
        ]
        checks = run_checks(Drift(min_rows=1), marked, [], weights, weighted(marked, weights))
        assert [check.name for check in checks if not check.passed] == [], month
        assert (weighted(columns, weights) or 0) > 0.09 + (weighted(marked, weights) or 0)  # the calendar alone


def test_a_calendar_breaks_no_rule_and_is_named() -> None:
    columns = [
        ColumnDrift("day", CALENDAR, "number", psi=8.0, nulls=1.0, reference_nulls=0.0, rows=900),
        ColumnDrift("km", "ok", "number", psi=0.1, nulls=0.0, reference_nulls=0.0, rows=900),
    ]
    weights = {"day": 0.6, "km": 0.4}
    assert weighted(columns, weights) == pytest.approx(0.1)
    assert alarming(Drift(), columns, weights) == alarming(Drift(), [], {})
    [figure, *_] = run_checks(Drift(), columns, [], weights, 0.1)
    assert figure.description.endswith(". Left out, because they only tell the time: day.")


def test_a_calendar_column_of_weight_is_named_beside_the_judged_ones_and_a_light_one_is_not() -> None:
    columns = [
        ColumnDrift("price", CALENDAR, psi=3.0, kind="number", distance=2.5),
        ColumnDrift("day", CALENDAR, psi=3.0),
        ColumnDrift("km", "ok", psi=0.1, rows=900),
    ]
    weights = {"price": 0.4, "day": 0.05, "km": 0.3}
    check = run_checks(Drift(), columns, [], weights, 0.1)[2]
    assert check.passed
    assert check.description.endswith(
        "Not judged, because they run in one direction with time: price has PSI 3.00 and moved by 2.5 standard "
        "deviations, 40% of the importance."
    )
