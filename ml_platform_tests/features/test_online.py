"""The state that serving will use, and the proof that it agrees with the batch."""

from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl
import pytest

from ml_platform import Derived, Latest, Lookup, ModelPipeline, Since, TimeSince, Window
from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online import OnlineState
from ml_platform.features.parity import parity
from ml_platform.features.timelines import Ladder
from ml_platform_tests.features.relations import batch_features, connect, validated
from ml_platform_tests.scenario.flights import Row, example, flight, hour, pipeline, plane, weather

WINDOW = Window("flights", by="carrier", of="delay", agg=["count", "sum", "min", "max"], over=["1d"], as_="f")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = connect()
    yield opened
    opened.close()


def state_of(declared: ModelPipeline, *flights: Row) -> OnlineState:
    state = OnlineState(FeatureDefinition.of(declared))
    for row in flights:
        state.learn("flights", row)
    return state


def sums(state: OnlineState, *hours: float) -> list[Any]:
    return [state.features(example(9, at))["f_sum_1d"] for at in hours]


def test_what_became_known_at_that_very_moment_counts_only_later_whenever_it_is_asked() -> None:  # S4
    state = state_of(pipeline(WINDOW), flight(1, 1, 3, 10.0), flight(2, 1, 4, 20.0))
    assert sums(state, 4, 4.001, 4, 5, 4) == [10.0, 30.0, 10.0, 30.0, 10.0]
    state.learn("flights", flight(2, 1, 5, 5.0, place=1))  # S6: the correction of what was just learnt
    assert sums(state, 5, 5.5, 5) == [30.0, 15.0, 30.0]
    state.learn("flights", flight(3, 1, 5, 1.0))
    assert sums(state, 5.5, 5) == [16.0, 30.0]


def test_a_correction_that_makes_a_condition_false_brings_back_the_row_before() -> None:  # S6, S11a
    late = TimeSince("flights", on="carrier", where=pl.col("delay") > 15, as_="since_late")
    state = state_of(pipeline(late), flight(1, 0, 2, 20.0), flight(2, 1, 3, 30.0))
    assert state.features(example(9, 4))["since_late"] == 3 * 3600.0
    state.learn("flights", flight(2, 1, 5, 5.0, place=1))
    assert [state.features(example(9, at))["since_late"] for at in (5, 6)] == [4 * 3600.0, 6 * 3600.0]


def test_a_row_that_where_leaves_out_may_hold_what_no_sum_can_take() -> None:  # S13, one by one and many at once
    window = Window("flights", of="delay", agg=["sum"], over=["1d"], where=pl.col("delay") < 1e9, as_="f")
    rows = [flight(1, 1, 2, float("inf")), flight(2, 1, 3, 7.0), flight(3, 1, 4, 1.0)]
    single, many = state_of(pipeline(window), *rows), state_of(pipeline(window))
    many.learn_many("flights", pl.DataFrame(rows))
    assert sums(single, 5) == sums(many, 5) == [8.0]


def test_a_moment_before_what_was_learnt_is_refused() -> None:
    state = state_of(pipeline(WINDOW), flight(1, 1, 3, 10.0))
    with pytest.raises(FeatureError, match="is before the newest row that the state has learnt"):
        state.features(example(9, 2.9))


def test_a_dropped_row_leaves_and_a_row_never_known_never_comes() -> None:  # S2, S6
    dropped = flight(1, 1, 3, 10.0)
    state = state_of(pipeline(WINDOW), dropped, flight(2, 1, None, 99.0), flight(3, 1, 4, 1.0))
    state.learn("flights", {**dropped, "_superseded_at": hour(6)})
    assert sums(state, 6, 6.5) == [11.0, 1.0]
    state.learn("flights", {**dropped, "_superseded_at": hour(7)})  # told twice: nothing more to drop
    assert sums(state, 8) == [1.0]


def test_news_that_comes_late_counts_from_then_on() -> None:
    state = state_of(pipeline(WINDOW), flight(1, 1, 5, 10.0), flight(2, 1, 3, 20.0))
    assert sums(state, 5, 6) == [20.0, 30.0]
    state.learn("flights", flight(1, 1, 4, 50.0, place=1))  # replaces what was learnt at 5
    assert sums(state, 6) == [70.0]


def test_a_first_version_may_be_learnt_ahead(connection: duckdb.DuckDBPyConnection) -> None:  # S12
    state = OnlineState(FeatureDefinition.of(pipeline(Lookup("planes", on="tail", take=["seats"]))))
    state.learn("planes", plane(100, 5))
    state.learn("planes", {**plane(200, 8), "_row": 1})
    answers = [state.features(example(1, at)) for at in (4, 5, 8)]
    assert [(row["planes__seats"], row["planes__status"]) for row in answers] == [
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


def test_parity_feeds_what_the_examples_touch_and_finds_no_difference(connection: duckdb.DuckDBPyConnection) -> None:
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
    assert 0 < parity(connection, FeatureDefinition.of(only), made, relations, made).rows_fed < 50


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
    answers = {(d.example["flight"], d.column): (d.batch, d.online) for d in report.differences}
    assert answers[0, "planes__status"] == ("unknown", "ok")
    batch, online = answers[0, "all_mean_3h"]
    assert batch != online and batch == pytest.approx(online)
    assert {flight for flight, _ in answers} == {0, 3}  # 3 is missing from the batch
    assert report.differing == len(answers)


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


@pytest.mark.parametrize("choose", [min, max])
def test_a_ladder_gives_the_extreme_of_any_stretch(choose: Any) -> None:
    ladder, values = Ladder(choose), list[float]()
    for step in range(3000):
        value = float(step * 7919 % 1009)
        place = len(values) if step % 5 else step * 31 % (len(values) + 1)
        ladder.insert(place, value)
        values.insert(place, value)
        if step % 7 == 0:
            gone = step * 17 % len(values)
            ladder.remove(gone)
            del values[gone]
        if step % 50 == 0:
            for first, end in ((0, len(values)), (step // 3, step // 2), (len(values) // 2, len(values)), (5, 5)):
                expected = choose(values[first:end], default=None)
                assert ladder.between(first, min(end, len(values))) == expected
