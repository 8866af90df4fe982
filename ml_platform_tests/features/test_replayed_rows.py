"""A replay reads a bounded number of rows: its examples are chosen for that where a spread of them touches more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform import Latest, Lookup, Window
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.replayed_rows import _affordable, materialized_rows, replayed_examples
from ml_platform_tests.features.parity import parity
from ml_platform_tests.features.relations import batch_features, connect, validated
from ml_platform_tests.scenario.flights import example, flight, hour, pipeline, plane, weather

WINDOW = Window("flights", by="carrier", of="delay", agg=["count", "sum"], over=["1d"], as_="f")
DECLARED = pipeline(
    WINDOW, Latest("weather", on={"origin": "airport"}, take=["temp"]), Lookup("planes", on="tail", take=["seats"])
)
# AA flies 20 times an hour, BB and nobody twice; the newest flights are known after every example.
ROWS = {
    "flights": [
        flight(n, n / 24, n / 24 + 1, 1.0, carrier="AA" if n % 12 < 10 else [None, "BB"][n % 2]) for n in range(720)
    ],
    "weather": [weather(n, n / 2) for n in range(20)],
    "planes": [plane(100, 3)],
}
EXAMPLES = [example(n, 20 + n / 50, carrier=["AA", "AA", "BB", None][n % 4]) for n in range(400)]


def test_examples_are_evenly_spread_as_long_as_they_touch_few_rows() -> None:
    with connect() as connection:
        definition = FeatureDefinition.of(DECLARED)
        relations = validated(connection, DECLARED, ROWS)
        made = batch_features(connection, definition, EXAMPLES, relations)
        chosen = replayed_examples(connection, definition, made, relations, 10)
        assert chosen.equals(made.gather_every(40))


def test_where_a_spread_touches_too_many_rows_examples_of_few_keys_read_fewer() -> None:
    with connect() as connection:
        definition = FeatureDefinition.of(DECLARED)
        relations = validated(connection, DECLARED, ROWS)
        made = batch_features(connection, definition, EXAMPLES, relations)
        spread = parity(connection, definition, made.gather_every(40), relations, made)
        chosen = replayed_examples(connection, definition, made, relations, 10, most_rows=200)
        report = parity(connection, definition, chosen, relations, made)
        assert report.identical and report.examples == 10
        assert report.rows_read < 200 < spread.rows_read
        assert "AA" not in chosen["carrier"]
        assert parity(connection, definition, chosen, relations, made.with_columns(f_sum_1d=0.5)).differing


def test_what_no_example_can_know_is_not_counted() -> None:
    with connect() as connection:
        definition = FeatureDefinition.of(DECLARED)
        late = [flight(n, 40, 41, carrier="AA") for n in range(1000, 2000)]
        relations = validated(connection, DECLARED, {**ROWS, "flights": [*ROWS["flights"], *late]})
        made = batch_features(connection, definition, EXAMPLES, relations)
        assert made["departs"].max() < hour(41)
        assert replayed_examples(connection, definition, made, relations, 10, most_rows=800).equals(
            made.gather_every(40)
        )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12),
    st.lists(st.integers(0, 50), min_size=8, max_size=8),
    st.integers(1, 12),
    st.integers(0, 120),
)
def test_the_keys_of_chosen_examples_have_no_more_rows_than_are_affordable(
    pairs: list[tuple[int, int]], rows: list[int], count: int, most_rows: int
) -> None:
    keys = np.array(pairs, np.int64).T
    prices = np.array([[rows[4 * join + key] for key in keys[join]] for join in range(2)], np.int64)
    chosen = _affordable(prices, keys, count, most_rows)
    paid = {(join, key) for place in chosen for join, key in enumerate(keys[:, place])}
    spent = sum(rows[4 * join + key] for join, key in paid)
    assert chosen == sorted(set(chosen)) and 1 <= len(chosen) <= count
    assert spent <= most_rows or chosen == [int(prices.sum(axis=0).argmin())]
    if len(chosen) < min(count, len(pairs)):  # then no other one is affordable
        for place in set(range(len(pairs))) - set(chosen):
            more = sum(rows[4 * j + k] for j, k in enumerate(keys[:, place]) if (j, k) not in paid)
            assert spent + more > most_rows


def test_a_replay_leaves_no_temporary_table() -> None:
    with connect() as connection:
        definition = FeatureDefinition.of(DECLARED)
        relations = validated(connection, DECLARED, ROWS)
        made = batch_features(connection, definition, EXAMPLES, relations)
        before = connection.execute("SHOW ALL TABLES").fetchall()
        parity(connection, definition, made.head(10), relations, made)
        rows = materialized_rows(connection, definition, "flights", made.head(10), relations["flights"], ["carrier"])
        with pytest.raises(ZeroDivisionError), rows as materialized:
            assert connection.execute(f"SELECT count(*) FROM ({materialized})").fetchone() != (0,)
            raise ZeroDivisionError
        assert connection.execute("SHOW ALL TABLES").fetchall() == before
