"""The batch, counted by hand: what the generated cases do not reach or what deserves to be read."""

import math
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl
import pytest

from ml_platform import Derived, Latest, Lookup, ModelPipeline, Since, TimeSince, Window
from ml_platform.errors import DeclarationError, FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import available_since, compute, examples_sql, outputs_since
from ml_platform.features.relations import relation
from ml_platform_tests.features.relations import batch_features, connect, stored, validated
from ml_platform_tests.scenario.flights import DAY, Row, example, flight, hour, pipeline, plane, weather


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = connect()
    yield opened
    opened.close()


def features(
    connection: duckdb.DuckDBPyConnection, declared: ModelPipeline, examples: list[Row], **tables: list[Row]
) -> list[Row]:
    """The features of the examples, in order of their key."""
    definition = FeatureDefinition.of(declared)
    made = batch_features(connection, definition, examples, validated(connection, declared, tables))
    assert made.schema == pl.Schema(definition.schema)
    return made.sort(definition.keys).to_dicts()


COUNT = Window("flights", by="carrier", agg=["count"], over=["3h"], as_="flights")


def test_a_delay_counts_from_the_landing_on_and_not_from_the_departure(connection: duckdb.DuckDBPyConnection) -> None:
    # FIELD_NOTES §5: counting by departure looks better offline and is worse when served.
    flights = [flight(0, -30, -29), flight(1, 9, 11, 40.0), flight(2, 9.5, 10, 20.0), flight(3, 9.9, None, None)]
    by_landing = Window("flights", by="carrier", of="delay", agg=["sum", "count"], over=["3h"], as_="landed")
    by_departure = Window(
        "flights", by="carrier", of="delay", agg=["sum", "count"], over=["3h"], clock="event_time", as_="departed"
    )
    [row] = features(connection, pipeline(by_landing, by_departure), [example(9, 10.5)], flights=flights)
    assert (row["landed_sum_3h"], row["landed_count_3h"]) == (20.0, 1)
    # S9: a span on event_time is no way around S4: flight 1 is still in the air.
    assert (row["departed_sum_3h"], row["departed_count_3h"]) == (20.0, 1)
    assert sum(r["delay"] or 0.0 for r in flights if hour(7.5) <= r["departs"] < hour(10.5)) == 60.0  # the leak


def test_an_example_never_sees_its_own_outcome(connection: duckdb.DuckDBPyConnection) -> None:  # S4
    flights = [flight(0, -30, -29), flight(1, 9, 9)]  # known at the very moment of its prediction
    [row] = features(connection, pipeline(COUNT), [example(1, 9)], flights=flights)
    assert row["flights_count_3h"] == 0


def test_a_window_begins_inclusive_and_ends_exclusive(connection: duckdb.DuckDBPyConnection) -> None:  # S9
    flights = [flight(0, -30, -29), flight(1, 1, 3), flight(2, 1, 6)]
    rows = features(connection, pipeline(COUNT), [example(7, 6), example(8, 6.001), example(9, 9)], flights=flights)
    assert [row["flights_count_3h"] for row in rows] == [1, 1, 1]


def test_a_nightly_table_is_usable_from_the_next_night_on(connection: duckdb.DuckDBPyConnection) -> None:  # S5
    day = Window("flights", by="carrier", agg=["count"], over=["1d"], as_="flights")
    flights = [flight(0, -99, -98), flight(1, 1, 3, usable=24), flight(2, 20, 23, usable=24)]
    examples = [example(n, at) for n, at in enumerate((23.5, 24, 25, 28))]
    rows = features(connection, pipeline(day, refresh="1d"), examples, flights=flights)
    assert [row["flights_count_1d"] for row in rows] == [0, 0, 2, 1]  # the first left the span at 27


def test_a_correction_counts_from_its_own_knowledge_on(connection: duckdb.DuckDBPyConnection) -> None:  # S6
    window = Window("flights", by="carrier", of="delay", agg=["sum", "count", "max"], over=["1d"], as_="f")
    flights = [
        flight(0, -99, -98),
        flight(1, 1, 3, 10.0, until=5),
        flight(1, 1, 5, 30.0, place=1),
        flight(2, 1, 4, 20.0, until=6),
    ]  # the last is dropped at 6
    examples = [example(n, at) for n, at in enumerate((3, 4, 5, 5.5, 6, 7))]
    rows = features(connection, pipeline(window), examples, flights=flights)
    assert [row["f_sum_1d"] for row in rows] == [0.0, 10.0, 30.0, 50.0, 50.0, 30.0]
    assert [row["f_max_1d"] for row in rows] == [None, 10.0, 20.0, 30.0, 30.0, 30.0]
    assert [row["f_count_1d"] for row in rows] == [0, 1, 2, 2, 2, 1]


def test_weather_has_an_offset_and_an_age_at_which_it_is_stale(connection: duckdb.DuckDBPyConnection) -> None:  # S10
    now = Latest("weather", on={"origin": "airport"}, take=["temp"], max_age="3h")
    then = Latest("weather", on={"origin": "airport"}, take=["temp"], max_age="1h", offset="2h")
    seen = [weather(1, 5.0, late=1), weather(4, None), weather(20, 9.0, airport="LGA")]
    rows = features(
        connection, pipeline(now, then), [example(n, at) for n, at in enumerate((1.5, 3, 4.5, 7, 7.5))], weather=seen
    )
    assert [(r["weather__temp"], r["weather__status"]) for r in rows] == [
        (None, "unknown"),
        (5.0, "ok"),
        (None, "ok"),
        (None, "ok"),
        (None, "stale"),
    ]
    assert [(r["weather_2h_ago__temp"], r["weather_2h_ago__status"]) for r in rows] == [
        (None, "unknown"),
        (5.0, "ok"),
        (None, "stale"),
        (None, "ok"),
        (None, "stale"),
    ]


def test_time_since_is_in_seconds(connection: duckdb.DuckDBPyConnection) -> None:  # S11
    flights = [flight(1, 1, 3), flight(2, 2, 8)]
    examples = [example(7, 2.5), example(8, 4), example(9, 9, carrier="ZZ")]
    rows = features(connection, pipeline(Since("flights", on="carrier")), examples, flights=flights)
    assert [row["flights__since_by_carrier"] for row in rows] == [None, 10_800.0, None]


def test_time_since_a_condition_is_null_before_the_table_and_without_a_true_row(  # S11a, S14
    connection: duckdb.DuckDBPyConnection,
) -> None:
    flights = [flight(1, 1, 3, 20.0), flight(2, 2, 4, 1.0), flight(3, 2, 5, None)]
    examples = [example(7, 3), example(8, 4), example(9, 6), example(10, 6, carrier="ZZ"), example(11, 6, carrier=None)]
    late = TimeSince("flights", on="carrier", where=pl.col("delay") > 15, as_="since_late")
    never = TimeSince("flights", on="carrier", where=pl.col("delay") > 99, as_="since_never")
    rows = features(connection, pipeline(late, never), examples, flights=flights)
    assert [row["since_late"] for row in rows] == [None, 10_800.0, 18_000.0, None, None]
    assert [row["since_never"] for row in rows] == [None] * 5


def test_the_first_version_stands_for_the_time_before_it(connection: duckdb.DuckDBPyConnection) -> None:  # S12
    planes = [plane(100, 5, until=8), plane(200, 8, until=11)]  # dropped at 11
    examples = [
        *(example(n, at) for n, at in enumerate((4, 5, 7.5, 8, 11))),
        example(9, 9, tail="N2"),
        example(10, 9, tail=None),
    ]
    rows = features(connection, pipeline(Lookup("planes", on="tail", take=["seats"])), examples, planes=planes)
    assert [(row["planes__seats"], row["planes__status"]) for row in rows] == [
        (100, "assumed"),
        (100, "ok"),
        (100, "ok"),
        (200, "ok"),
        *[(None, "unknown")] * 3,
    ]


def test_a_version_without_time_waits_for_the_refresh_too(connection: duckdb.DuckDBPyConnection) -> None:  # S5, S12
    planes = [plane(100, 1, usable=6, until=12), plane(200, 7, usable=12)]
    declared = pipeline(Lookup("planes", on="tail", take=["seats"]), planes_refresh="6h")
    rows = features(connection, declared, [example(n, at) for n, at in enumerate((5, 6, 8, 12))], planes=planes)
    assert [(row["planes__seats"], row["planes__status"]) for row in rows] == [
        (100, "assumed"),
        (100, "ok"),
        (100, "ok"),
        (200, "ok"),
    ]


def test_before_its_table_existed_a_feature_is_null_and_not_zero(connection: duckdb.DuckDBPyConnection) -> None:  # S14
    declared = pipeline(
        COUNT, Window("flights", agg=["count"], over=["1d"], as_="all"), Lookup("planes", on="tail", take=["seats"])
    )
    tables = {"flights": [flight(1, 1, 3, carrier="UA"), flight(2, 1, None)], "planes": [plane(7, 9)]}
    rows = features(connection, declared, [example(n, at) for n, at in enumerate((2, 3, 3.001))], **tables)
    assert [row["flights_count_3h"] for row in rows] == [None, None, 0]  # of the table, not of the key
    assert [row["all_count_1d"] for row in rows] == [None, None, 1]
    assert [row["planes__seats"] for row in rows] == [7, 7, 7]  # S12 assumes instead
    definition = FeatureDefinition.of(declared)
    assert available_since(connection, definition, validated(connection, declared, tables)) == {"flights": hour(3)}
    nothing = features(connection, declared, [example(0, 2)])
    assert nothing[0]["flights_count_3h"] is None and nothing[0]["planes__status"] == "unknown"


def test_every_output_has_the_date_of_the_tables_it_depends_on() -> None:  # S14
    declared = pipeline(
        COUNT,
        Latest("weather", on={"origin": "airport"}, take=["temp"]),
        Lookup("planes", on="tail", take=["seats"]),
        Derived(hour=pl.col("departs").dt.hour()),
        Derived(both=pl.col("weather__temp") + pl.col("flights_count_3h")),
    )
    definition = FeatureDefinition.of(declared)
    assert outputs_since(definition, {"flights": hour(3), "weather": hour(5)}) == {
        "flights_count_3h": hour(3),
        "weather__temp": hour(5),
        "both": hour(5),
    }
    assert outputs_since(definition, {"flights": hour(3), "weather": None})["both"] is None


def test_hours_of_a_zone_follow_its_daylight_saving(connection: duckdb.DuckDBPyConnection) -> None:  # S1, S7
    local = pl.col("departs").dt.convert_time_zone("America/New_York")
    declared = pipeline(Derived(next=pl.col("hour") + 1, hour=local.dt.hour(), day=local.dt.weekday()))
    # New York springs forward on 2013-03-10 at 07:00 UTC, 31 hours after the scenario's day began.
    rows = features(connection, declared, [example(n, at) for n, at in enumerate((28, 30.99, 31, 52))])
    assert [(row["hour"], row["next"], row["day"]) for row in rows] == [(23, 24, 6), (1, 2, 7), (3, 4, 7), (0, 1, 1)]


def test_a_derived_column_may_be_a_key_or_read_what_was_joined(connection: duckdb.DuckDBPyConnection) -> None:  # S7
    declared = pipeline(
        Derived(prefix=pl.col("carrier").str.slice(0, 1), late=pl.col("flights__rows_count_3h_by_prefix") * 2),
        Window("flights", by={"prefix": "carrier"}, agg=["count"], over=["3h"]),
    )
    flights = [flight(0, -30, -29), flight(1, 1, 3, carrier="A"), flight(2, 1, 3, carrier="AA")]
    [row] = features(connection, declared, [example(9, 4)], flights=flights)
    assert (row["prefix"], row["flights__rows_count_3h_by_prefix"], row["late"]) == ("A", 1, 2)


def test_the_same_bits_whatever_the_order_threads_and_batches(connection: duckdb.DuckDBPyConnection) -> None:  # S13
    window = Window("flights", by="carrier", of="delay", agg=["sum", "mean", "std", "min"], over=["1d", "7d"])
    declared = pipeline(window)
    definition = FeatureDefinition.of(declared)
    flights = [flight(n, n / 10, n / 10 + 1, 0.1 * (-1) ** n * n**2) for n in range(300)]
    examples = [example(n, n / 3) for n in range(200)]
    made = []
    for order, threads, batch in ((1, 1, 500_000), (-1, 2, 37), (7, 2, 1)):
        connection.execute(f"SET threads = {threads}")
        shuffled = sorted(flights, key=lambda row, order=order: (row["flight"] * order) % 101)
        relations = validated(connection, declared, {"flights": shuffled})
        made.append(batch_features(connection, definition, examples, relations, batch=batch).sort("flight"))
    assert made[0].equals(made[1]) and made[0].equals(made[2])
    assert made[0]["flights__delay_sum_7d_by_carrier"].null_count() < 10


@pytest.mark.parametrize(("big", "agg"), [(4.0e12, ("sum", "mean")), (1.0e11, ("sum", "mean", "std"))])
def test_sums_beyond_what_doubles_and_64_bits_hold_are_exact(
    connection: duckdb.DuckDBPyConnection, big: float, agg: Any
) -> None:  # S13: 4e12 is just under 2^62 units; of 1e11 the squares add up to 115 bits
    declared = pipeline(Window("flights", by="carrier", of="delay", agg=agg, over=["1d"], as_="f"))
    values = (big, big, big, -big, -big, 1e-6)
    flights = [flight(n, 1, 2, value) for n, value in enumerate(values)]
    [row] = features(connection, declared, [example(9, 3)], flights=flights)
    total = Fraction(big) + Fraction(1, 10**6)
    assert row["f_sum_1d"] == float(total)
    assert row["f_mean_1d"] == float(total / 6)
    if "std" in agg:
        exact = [Fraction(value).limit_denominator(10**6) for value in values]
        assert row["f_std_1d"] == math.sqrt(float(sum((value - total / 6) ** 2 for value in exact) / 5))


def test_squares_beyond_126_bits_are_refused(connection: duckdb.DuckDBPyConnection) -> None:  # S13
    declared = pipeline(Window("flights", of="delay", agg=["std"], over=["1d"]))
    flights = [flight(n, 1, 2, 4.0e12) for n in range(6)]
    with pytest.raises(FeatureError, match=r"126 bits.*coarser"):
        features(connection, declared, [example(9, 3)], flights=flights)


@pytest.mark.parametrize(("value", "agg"), [(1e308, "sum"), (math.inf, "mean"), (math.inf, "max"), (5e12, "std")])
def test_a_value_without_an_exact_sum_is_refused_by_name(
    connection: duckdb.DuckDBPyConnection, value: float, agg: Any
) -> None:  # S13
    declared = pipeline(Window("flights", of="delay", agg=[agg], over=["1d"]))
    with pytest.raises(FeatureError, match=r"Window\('flights', of='delay'\).*contract"):
        features(connection, declared, [example(9, 3)], flights=[flight(1, 1, 2, value)])


def test_no_examples_give_an_empty_table_of_the_right_columns(connection: duckdb.DuckDBPyConnection) -> None:
    declared = pipeline(
        COUNT,
        Latest("weather", on={"origin": "airport"}, take=["temp"]),
        Lookup("planes", on="tail", take=["seats"]),
        Derived(two=pl.col("flights_count_3h") * 2),
    )
    assert features(connection, declared, []) == []


def test_an_example_without_its_time_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(FeatureError, match="1 example has no departs"):
        features(connection, pipeline(COUNT), [{**example(1, 1), "departs": None}])


def test_the_inputs_of_an_example_are_those_that_had_arrived_by_then(connection: duckdb.DuckDBPyConnection) -> None:
    # S6, S12: later corrections of a row do not reach into the past; before any arrival the first version stands.
    declared = pipeline(COUNT)
    versions = [
        flight(1, 10, 12, carrier="AA", arrival=5, until=12),
        flight(1, 10, 12, carrier="BB", arrival=8, place=1),
        flight(1, 10, 12, carrier="CC", arrival=11, place=2),
        flight(2, 10, 12, carrier="DD", arrival=20),
        flight(2, 10, 12, carrier="EE", arrival=30, place=1),
        flight(3, 24, 25),
    ]
    relations = validated(connection, declared, {"flights": versions})
    definition = FeatureDefinition.of(declared)
    sql = examples_sql(definition, relations["flights"], DAY, hour(24))
    rows_read = connection.execute(sql).pl().sort("flight")
    assert rows_read["carrier"].to_list() == ["BB", "DD"]
    assert list(rows_read.columns) == list(definition.row_schema)
    name = compute(connection, definition, sql, relations)
    assert connection.execute(f"SELECT count(*) FROM {name}").fetchall() == [(2,)]


def test_bounds_choose_among_all_versions_of_an_example_whose_time_moved(connection: duckdb.DuckDBPyConnection) -> None:
    declared = pipeline(COUNT)
    versions = [
        flight(number, departs, departs + 2, arrival=arrival, place=place)
        for number in range(8)
        for place, (departs, arrival) in enumerate(
            [(10 + number, 5), (30 - number, 8), (24, 11 + number)][: 2 + number % 2]
        )
    ]
    relations = validated(connection, declared, {"flights": versions})
    definition = FeatureDefinition.of(declared)
    every = connection.execute(examples_sql(definition, relations["flights"], None, None)).pl().sort("flight")
    times = every["departs"].unique().sort().to_list()
    start, end = times[1], times[-1]
    within = connection.execute(examples_sql(definition, relations["flights"], start, end)).pl().sort("flight")
    there = f"departs >= TIMESTAMPTZ '{start.isoformat()}' AND departs < TIMESTAMPTZ '{end.isoformat()}'"
    numbers = f"SELECT min(flight), max(flight) FROM {relation(relations['flights'])} WHERE {there}"
    [(least, greatest)] = connection.execute(numbers).fetchall()
    bounds = f"flight BETWEEN {least} AND {greatest}"
    bounded = connection.execute(examples_sql(definition, relations["flights"], start, end, bounds=bounds)).pl()
    assert bounded.sort("flight").rows() == within.rows()
    assert within.rows() == every.filter(pl.col("departs").is_between(start, end, closed="left")).rows()
    assert 0 < within.height < every.height


def test_a_landing_counts_only_where_the_table_says_when_it_was_known() -> None:  # S3: refused at load
    from dataclasses import replace

    declared = pipeline(COUNT)
    flights = replace(declared.tables[0], known_at=None)
    with pytest.raises(DeclarationError, match="known_at"):
        replace(declared, tables=(flights, *declared.tables[1:]))


def test_examples_without_time_look_up_the_current_rows(connection: duckdb.DuckDBPyConnection) -> None:  # S12
    from ml_platform_tests.scenario.songs import songs

    declared = songs()
    definition = FeatureDefinition.of(declared)
    far = datetime(2999, 1, 1, tzinfo=DAY.tzinfo)
    blank, times = {"_file": "f", "_row": 0, "_superseded_at": None}, ("_arrival", "_known_at", "_usable_at")
    rows = {
        "songs": [
            {"song": n, "artist": a, "genre": "x", **blank, **dict.fromkeys(times, far)}
            for n, a in enumerate(("one", "two", None))
        ],
        "artists": [
            {
                "artist": "one",
                "born": 1950 + n,
                **blank,
                "_row": n,
                **dict.fromkeys(times, hour(1 + 2 * n)),
                "_superseded_at": hour(3) if n == 0 else None,
            }
            for n in (0, 1)
        ],
    }
    relations = validated(connection, declared, rows)
    sql = examples_sql(definition, relations["songs"], None, None)
    name = compute(connection, definition, sql, relations)
    rows_read = connection.execute(f"SELECT * FROM {name} ORDER BY song").pl()
    assert rows_read["artists__born"].to_list() == [1951, None, None]
    assert rows_read["artists__status"].to_list() == ["ok", "unknown", "unknown"]
    assert rows_read["age"].to_list() == [72, None, None]


def test_a_plain_table_name_serves_as_relation(connection: duckdb.DuckDBPyConnection) -> None:
    declared = pipeline(COUNT)
    definition = FeatureDefinition.of(declared)
    relations = validated(connection, declared, {"flights": [flight(1, 1, 2)]})
    stored(connection, "some_examples", [example(9, 3)], definition.row_schema)
    name = compute(
        connection,
        definition,
        "memory.main.some_examples",
        {t: f"SELECT * FROM memory.main.{relation}" for t, relation in relations.items()},
    )
    assert connection.execute(f"SELECT flights_count_3h FROM {name}").fetchall() == [(1,)]
