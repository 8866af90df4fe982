"""Answers from stored rows, and the proof that they agree with the batch."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl
import pytest

from ml_platform import Derived, Latest, Lookup, ModelPipeline, Since, TimeSince, Window
from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform_tests.features.parity import parity
from ml_platform_tests.features.relations import batch_features, connect, online_answers, validated
from ml_platform_tests.scenario.flights import Row, example, flight, hour, pipeline, plane, weather

WINDOW = Window("flights", by="carrier", of="delay", agg=["count", "sum", "min", "max"], over=["1d"], as_="f")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = connect()
    yield opened
    opened.close()


def answers(
    connection: duckdb.DuckDBPyConnection, declared: ModelPipeline, rows: list[Row], *hours: float
) -> list[Row]:
    """What is answered at these hours from rows of flights."""
    relations = validated(connection, declared, {"flights": rows})
    return online_answers(connection, FeatureDefinition.of(declared), relations, [example(9, at) for at in hours])


def sums(connection: duckdb.DuckDBPyConnection, rows: list[Row], *hours: float) -> list[Any]:
    return [row["f_sum_1d"] for row in answers(connection, pipeline(WINDOW), rows, *hours)]


def test_what_became_known_at_that_very_moment_counts_only_later_whenever_it_is_asked(
    connection: duckdb.DuckDBPyConnection,
) -> None:  # S4, S6
    rows = [flight(1, 1, 3, 10.0), {**flight(2, 1, 4, 20.0), "_superseded_at": hour(5)}, flight(2, 1, 5, 5.0, place=1)]
    assert sums(connection, rows, 4, 4.001, 4, 5, 5.5, 4) == [10.0, 30.0, 10.0, 30.0, 15.0, 10.0]


def test_a_correction_that_makes_a_condition_false_brings_back_the_row_before(
    connection: duckdb.DuckDBPyConnection,
) -> None:  # S6, S11a
    late = TimeSince("flights", on="carrier", where=pl.col("delay") > 15, as_="since_late")
    corrected = [{**flight(2, 1, 3, 30.0), "_superseded_at": hour(5)}, flight(2, 1, 5, 5.0, place=1)]
    rows = answers(connection, pipeline(late), [flight(1, 0, 2, 20.0), *corrected], 4, 5, 6)
    assert [row["since_late"] for row in rows] == [3 * 3600.0, 4 * 3600.0, 6 * 3600.0]


def test_a_row_that_where_leaves_out_may_hold_what_no_sum_can_take(connection: duckdb.DuckDBPyConnection) -> None:
    window = Window("flights", of="delay", agg=["sum"], over=["1d"], where=pl.col("delay") < 1e9, as_="f")
    flights = [flight(1, 1, 2, float("inf")), flight(2, 1, 3, 7.0), flight(3, 1, 4, 1.0)]
    assert [row["f_sum_1d"] for row in answers(connection, pipeline(window), flights, 5)] == [8.0]  # S13


def test_infinity_has_no_exact_sum_online_either(connection: duckdb.DuckDBPyConnection) -> None:  # S13
    window = Window("flights", of="delay", agg=["sum"], over=["1d"], as_="f")
    with pytest.raises(FeatureError, match="has no exact sum"):
        answers(connection, pipeline(window), [flight(1, 1, 2, float("inf"))], 5)


def test_a_dropped_row_leaves_and_a_row_never_known_never_comes(connection: duckdb.DuckDBPyConnection) -> None:
    dropped = {**flight(1, 1, 3, 10.0), "_superseded_at": hour(6)}
    rows = [dropped, flight(2, 1, None, 99.0), flight(3, 1, 4, 1.0)]
    assert sums(connection, rows, 6, 6.5) == [11.0, 1.0]  # S2, S6


def test_sums_beyond_64_bits_are_exact(connection: duckdb.DuckDBPyConnection) -> None:  # S13
    window = Window("flights", of="delay", agg=["sum", "std"], over=["1d"], resolution=1.0, as_="f")
    delays = [2.0**61, 2.0**61, 2.0**61, -(2.0**61), 3.0]
    (row,) = answers(connection, pipeline(window), [flight(n, 1, 2, delay) for n, delay in enumerate(delays)], 5)
    assert row["f_sum_1d"] == float(2 * 2**61 + 3)
    mean = Fraction(2 * 2**61 + 3, 5)
    assert row["f_std_1d"] == math.sqrt(sum((Fraction(delay) - mean) ** 2 for delay in delays) / 4)


def test_the_first_version_stands_for_the_time_before_it(connection: duckdb.DuckDBPyConnection) -> None:  # S12
    declared = pipeline(Lookup("planes", on="tail", take=["seats"]))
    planes = [{**plane(100, 5), "_superseded_at": hour(8)}, {**plane(200, 8), "_row": 1}]
    relations = validated(connection, declared, {"planes": planes})
    rows = online_answers(connection, FeatureDefinition.of(declared), relations, [example(1, at) for at in (4, 5, 8)])
    assert [(row["planes__seats"], row["planes__status"]) for row in rows] == [
        (100, "assumed"),
        (100, "ok"),
        (200, "ok"),
    ]


def everything() -> ModelPipeline:
    return pipeline(
        WINDOW,
        Window("flights", of="delay", agg=["mean", "std"], over=["3h"], as_="all"),
        Latest("weather", on={"origin": "airport"}, take=["temp"], max_age="3h"),
        Since("flights", on=("carrier", "origin")),
        Lookup("planes", on="tail", take=["seats"]),
        Derived(
            hour=pl.col("departs").dt.convert_time_zone("America/New_York").dt.hour(),
            ratio=pl.col("f_sum_1d") / pl.col("planes__seats"),
        ),
    )


def tables() -> dict[str, list[Row]]:
    carriers = ["AA", "BB", "CC", None]
    return {
        "flights": [
            flight(n, n / 7, n / 7 + 1 + n % 3, None if n % 11 == 0 else n / 3, carrier=carriers[n % 4])
            for n in range(200)
        ],
        "weather": [weather(n, n / 2, late=0.5) for n in range(0, 20, 2)],
        "planes": [plane(100, 3)],
    }


def test_parity_reads_what_the_examples_touch_and_finds_no_difference(connection: duckdb.DuckDBPyConnection) -> None:
    declared = everything()
    definition = FeatureDefinition.of(declared)
    relations = validated(connection, declared, tables())
    examples = [example(n, 20 + n / 9, carrier="AA") for n in range(30)]
    made = batch_features(connection, definition, examples, relations)
    report = parity(connection, definition, made, relations, made)
    assert report.identical and report.differences == ()
    assert (report.examples, report.cells) == (30, 30 * (len(definition.outputs) + 2))
    only = pipeline(WINDOW)
    made = batch_features(connection, FeatureDefinition.of(only), examples, relations)
    # A window of a day over one of four carriers: the older rows and the other carriers' stay away.
    assert 0 < parity(connection, FeatureDefinition.of(only), made, relations, made).rows_read < 50


def test_parity_names_every_cell_that_differs(connection: duckdb.DuckDBPyConnection) -> None:
    declared = everything()
    definition = FeatureDefinition.of(declared)
    relations = validated(connection, declared, tables())
    examples = [example(n, 20 + n, carrier="AA") for n in range(4)]
    made = batch_features(connection, definition, examples, relations).sort("flight")
    first = pl.col("flight") == 0
    wrong = made.with_columns(
        all_mean_3h=pl.when(first).then(pl.col("all_mean_3h") * (1 + 2**-52)).otherwise("all_mean_3h"),
        planes__status=pl.when(first).then(pl.lit("unknown")).otherwise("planes__status"),
    ).filter(pl.col("flight") != 3)
    report = parity(connection, definition, made, relations, wrong)
    assert not report.identical
    cells = {(d.example["flight"], d.column): (d.batch, d.online) for d in report.differences}
    assert cells[0, "planes__status"] == ("unknown", "ok")
    batch, online = cells[0, "all_mean_3h"]
    assert batch != online and batch == pytest.approx(online)
    assert {flight for flight, _ in cells} == {0, 3}  # 3 is missing from the batch
    assert report.differing == len(cells)


def test_minus_zero_and_nan_are_told_apart_and_alike(connection: duckdb.DuckDBPyConnection) -> None:
    declared = pipeline(Latest("flights", on="carrier", take=["delay"]))
    definition = FeatureDefinition.of(declared)
    flights = [flight(1, 1, 2, float("nan")), flight(2, 3, 4, -0.0)]
    relations = validated(connection, declared, {"flights": flights})
    examples = [example(8, 3.5), example(9, 5)]
    made = batch_features(connection, definition, examples, relations)
    assert parity(connection, definition, made, relations, made).identical
    positive = made.with_columns(pl.col("flights__delay").abs())
    assert parity(connection, definition, made, relations, positive).differing == 1
