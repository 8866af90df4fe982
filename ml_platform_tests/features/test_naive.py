"""The reference engine itself, against cases counted by hand from the rules."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import sqrt
from typing import Any

import polars as pl
from hypothesis import given, settings

from ml_platform import Derived, Latest, Lookup, ModelPipeline, Since, TimeSince, Window
from ml_platform.spec.features import Feature
from ml_platform_tests.examples import tries
from ml_platform_tests.features.naive import Row, naive_features, whole_multiples
from ml_platform_tests.features.strategies import Case, base, cases


def moment(hour: float) -> datetime:
    return datetime(2024, 6, 1, tzinfo=UTC) + timedelta(hours=hour)


LITTLE = 1e-6 / 3600  # a microsecond, in hours
_USUAL: Row = {"_superseded_at": None, "_arrival": moment(0), "_file": "f", "_path": "f.csv", "_row": 0}


def event(happened: float, told: float | None, value: float | None = 1.0, number: int = 0, **other: Any) -> Row:
    """An event of store "a" in place "p", usable when told."""
    known = None if told is None else moment(told)
    row = {
        "store": "a",
        "number": number,
        "happened_at": moment(happened),
        "told_at": known,
        "place": "p",
        "value": value,
        "whole": 1,
        "flag": True,
        "_known_at": known,
        "_usable_at": known,
        **_USUAL,
    }
    return {**row, **other}


def shop(size: int | None, arrival: float, superseded: float | None = None) -> Row:
    known = {name: moment(arrival) for name in ("_known_at", "_usable_at", "_arrival")}
    until = None if superseded is None else moment(superseded)
    return {
        "shop": "a",
        "size": size,
        "style": None,
        "_file": "f",
        "_path": "f.csv",
        "_row": 0,
        **known,
        "_superseded_at": until,
    }


def at(hour: float, **inputs: Any) -> Row:
    return {"id": 1, "placed_at": moment(hour), "shop": "a", "area": "p", "amount": 4.0, **inputs}


def computed(features: list[Feature], example: Row, **tables: list[Row]) -> Row:
    """The features of one example."""
    pipeline = ModelPipeline(**base(None, "told_at", None), features=tuple(features))
    stored: dict[str, list[Row]] = {"orders": [], "events": [], "shops": [], "rates": [], **tables}
    return naive_features(pipeline, [example], stored)[0]


def test_s4_s9_a_window_holds_what_was_known_from_its_start_on_and_strictly_before_at() -> None:
    rows = [event(0, told, number=number) for number, told in enumerate([8 - LITTLE, 8, 9, 10 - LITTLE, 10])]
    computed_row = computed([Window("events", by={"shop": "store"}, over=("2h", "1d"))], at(10), events=rows)
    assert computed_row == {"events__rows_count_2h_by_shop": 3, "events__rows_count_1d_by_shop": 4}


def test_s9_on_the_clock_of_events_the_span_is_on_event_time_and_s4_still_holds() -> None:
    rows = [event(8, 9), event(8, 10, number=1), event(9, 7, number=2), event(10, 1, number=3), event(7, 9, number=4)]
    feature = Window("events", by={"shop": "store"}, over=("2h",), clock="event_time", as_="w")
    # In: happened at 8 and told at 9; happened at 9, told ahead at 7. Out: told at 10, happening at 10, happened at 7.
    assert computed([feature], at(10), events=rows) == {"w_count_2h": 2}


def test_s2_s8_s9_what_is_never_known_or_joins_on_null_or_fails_where_leaves_the_window_empty() -> None:
    rows = [event(1, None), event(1, 2, place=None, number=1), event(1, 2, flag=None, number=2)]
    agg = ("count", "sum", "mean", "std", "min", "max")
    feature = Window("events", by={"area": "place"}, of="value", agg=agg, over=("1d",), where=pl.col("flag"), as_="w")
    empty = {"w_count_1d": 0, "w_sum_1d": 0.0, **{f"w_{name}_1d": None for name in agg[2:]}}
    assert computed([feature], at(10), events=rows) == empty
    assert computed([feature], at(10, area=None), events=rows) == empty
    assert computed([feature], at(10, area="unknown"), events=rows) == empty


def test_s9_s13_aggregates_ignore_nulls_and_are_the_nearest_doubles_of_exact_values() -> None:
    values = [0.1, 0.2, 0.3, None, 1e9]
    rows = [event(1, 2, value, number=number) for number, value in enumerate(values)]
    agg = ("count", "sum", "mean", "std", "min", "max")
    computed_row = computed([Window("events", None, "value", agg, ("1d",), as_="w")], at(10), events=rows)
    n, total = 4, 1_000_000_000_600_000  # millionths
    squares = 100_000**2 + 200_000**2 + 300_000**2 + (10**15) ** 2
    variance = (n * squares - total**2) / (n * (n - 1) * 10**12)  # one division of two integers
    assert computed_row == {
        "w_count_1d": 4,
        "w_sum_1d": 1000000000.6,
        "w_mean_1d": 250000000.15,
        "w_std_1d": sqrt(variance),
        "w_min_1d": 0.1,
        "w_max_1d": 1e9,
    }


def test_s9_the_deviation_of_one_value_is_null_and_of_two_equal_ones_zero() -> None:
    feature = Window("events", None, "value", ("std",), ("1d",), as_="w")
    assert computed([feature], at(10), events=[event(1, 2, 7.0), event(1, 2, None, number=1)]) == {"w_std_1d": None}
    assert computed([feature], at(10), events=[event(1, 2, 7.0), event(1, 2, 7.0, number=1)]) == {"w_std_1d": 0.0}


def test_s13_values_count_in_whole_multiples_of_the_resolution_half_to_even() -> None:
    assert [whole_multiples(value, 1.0) for value in (0.5, 1.5, 2.5, -0.5, -1.5)] == [0, 2, 2, 0, -2]
    assert [whole_multiples(value, 0.25) for value in (0.125, 0.375, -0.625, 0.3)] == [0, 2, -2, 1]
    # In doubles 2.5e-6 / 1e-6 is just above 2.5: the quotient is rounded as it is.
    assert [whole_multiples(value, 1e-6) for value in (4e-7, 1.5e-6, 2.5e-6, 1e9)] == [0, 2, 3, 10**15]
    rows = [event(1, 2, value, number=number) for number, value in enumerate([4e-7, 4e-7, 4e-7])]
    computed_row = computed([Window("events", None, "value", ("sum", "max"), ("1d",), as_="w")], at(10), events=rows)
    assert computed_row == {"w_sum_1d": 0.0, "w_max_1d": 4e-7}


def test_s5_s6_a_correction_replaces_its_row_only_when_it_becomes_usable_itself() -> None:
    old = event(1, 2, 5.0, _superseded_at=moment(9))
    new = event(1, 2, 6.0, place="q", _known_at=moment(8.5), _usable_at=moment(9), _arrival=moment(8.5))
    latest = Latest("events", on={"shop": "store"}, take=("value",))
    by_place = Window("events", by={"area": "place"}, over=("1d",), as_="w")
    computed_row = computed([latest, by_place], at(9), events=[new, old])
    assert computed_row == {"events__value": 5.0, "events__status": "ok", "w_count_1d": 1}
    computed_row = computed([latest, by_place], at(9 + LITTLE), events=[new, old])
    assert computed_row == {"events__value": 6.0, "events__status": "ok", "w_count_1d": 0}


def test_s10_latest_takes_the_greatest_event_time_then_known_at_then_arrival_then_key() -> None:
    latest = Latest("events", on={"shop": "store"}, take=("number",))
    rows = [event(5, 6, number=9, _arrival=moment(9)), event(5, 7, number=1), event(4, 8, number=8)]
    rows += [event(11, 3, number=7)]  # told ahead, not happened yet
    assert computed([latest], at(10), events=rows)["events__number"] == 1
    later = event(5, 7, number=0, _arrival=moment(1))
    assert computed([latest], at(10), events=[later, *rows])["events__number"] == 0
    assert computed([latest], at(10), events=[later, event(5, 7, number=2, _arrival=moment(1))])["events__number"] == 2


def test_s10_max_age_is_inclusive_and_counts_back_from_at_minus_offset() -> None:
    rows = [event(4, 5, None), event(7, 5, 3.0, number=1)]
    latest = Latest("events", on={"shop": "store"}, take=("value",), max_age="3h", offset="2h")
    names = ("events_2h_ago__value", "events_2h_ago__status")
    results = {
        hour: tuple(computed([latest], at(hour), events=rows)[name] for name in names)
        for hour in (5, 6, 9 - LITTLE, 9, 12, 12 + LITTLE)
    }
    assert results == {
        5: (None, "unknown"),
        6: (None, "ok"),
        9 - LITTLE: (None, "ok"),
        9: (3.0, "ok"),
        12: (3.0, "ok"),
        12 + LITTLE: (None, "stale"),
    }


def test_s11_since_counts_the_seconds_from_the_latest_usable_event() -> None:
    feature = Since("events", on={"shop": "store"})
    rows = [event(8.5, 9), event(9, 10, number=1)]
    assert computed([feature], at(10), events=rows) == {"events__since_by_shop": 5400.0}
    assert computed([feature], at(10, shop="z"), events=rows) == {"events__since_by_shop": None}


def test_s11a_time_since_counts_from_the_latest_row_of_which_the_condition_is_true() -> None:
    feature = TimeSince("events", on={"shop": "store"}, where=pl.col("value") > 2, as_="since")
    rows = [event(7, 7, 5.0), event(8, 8, 1.0, number=1), event(8, 8, None, number=2), event(9, 10, 5.0, number=3)]
    assert computed([feature], at(10), events=rows) == {"since": 3 * 3600.0}
    assert computed([feature], at(10, shop="z"), events=rows) == {"since": None}
    assert computed([feature], at(10), events=rows[1:]) == {"since": None}


def test_s11a_a_correction_that_makes_the_condition_false_brings_back_the_true_row_before() -> None:
    feature = TimeSince("events", on={"shop": "store"}, where=pl.col("flag"), as_="since")
    older = event(5, 5, number=1)
    wrong, right = event(7, 7, _superseded_at=moment(9)), event(7, 9, flag=False, _arrival=moment(9))
    rows = [older, wrong, right]
    computed_row = [computed([feature], at(hour), events=rows)["since"] for hour in (9, 9 + LITTLE)]
    assert computed_row == [2 * 3600.0, 4 * 3600.0 + 1e-6]


def test_s12_lookup_sees_what_had_arrived_else_the_first_version_as_assumed_and_nothing_once_dropped() -> None:
    rows = [shop(1, 5, superseded=8), shop(None, 8, superseded=12)]
    lookup = Lookup("shops", on="shop", take=("size",))
    results = [
        (
            computed([lookup], at(hour), shops=rows)["shops__size"],
            computed([lookup], at(hour), shops=rows)["shops__status"],
        )
        for hour in (4, 5, 7, 8, 12)
    ]
    assert results == [(1, "assumed"), (1, "ok"), (1, "ok"), (None, "ok"), (None, "unknown")]
    assert computed([lookup], at(9, shop="z"), shops=rows) == {"shops__size": None, "shops__status": "unknown"}


def test_s7_derived_features_may_be_keys_and_may_read_other_features() -> None:
    early = Derived(tag=pl.col("shop") + pl.lit("!"))
    window = Window("events", by={"tag": "place"}, over=("1d",), as_="w")
    late = Derived(twice=pl.col("share") * 2, share=pl.col("w_count_1d") / pl.col("amount"))
    computed_row = computed([late, window, early], at(10), events=[event(1, 2, place="a!"), event(1, 2, number=1)])
    assert computed_row == {"tag": "a!", "w_count_1d": 1, "share": 0.25, "twice": 0.5}


@settings(max_examples=tries(150), deadline=None)
@given(cases())
def test_s13_the_order_of_rows_makes_no_difference_and_all_outputs_are_there(case: Case) -> None:
    computed_row = naive_features(case.pipeline, case.examples, case.tables)
    turned = {name: rows[::-1] for name, rows in case.tables.items()}
    assert repr(computed_row) == repr(naive_features(case.pipeline, case.examples, turned))
    for row in computed_row:
        assert {name for name in row if not name.endswith("__status")} == set(case.pipeline.feature_schema)


@settings(max_examples=tries(150), deadline=None)
@given(cases())
def test_s6_the_cases_hold_at_most_one_usable_version_of_a_row_at_any_moment(case: Case) -> None:
    for table in case.pipeline.tables:
        for one, other in combinations(case.tables[table.name], 2):
            if any(one[name] != other[name] for name in table.key):
                continue
            spans = [
                (row["_usable_at"], row["_superseded_at"] or datetime.max.replace(tzinfo=UTC))
                for row in (one, other)
                if row["_usable_at"]
            ]
            if len(spans) == 2 and all(start < end for start, end in spans):  # both are usable at some time
                assert max(start for start, _ in spans) >= min(end for _, end in spans)
