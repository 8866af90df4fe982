"""A key that people type: what it means, against reading all keys."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import AmbiguousKey, NotFoundError
from ml_platform.views.prediction_search import predictions_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.examples import tries
from ml_platform_tests.world import World, world

NAME = "trip_delay"


@pytest.fixture(scope="module")
def trips(february: Path) -> Iterator[World]:
    with closing(world(february, scenario.trips())) as opened:
        yield opened


@settings(deadline=None, max_examples=tries(30))  # each asks the lake several times
@given(st.data())
def test_a_part_of_a_key_means_what_reading_all_keys_says(trips: World, data: st.DataObject) -> None:
    keys = sorted(trips.frame(f"SELECT DISTINCT key FROM {NAME}.predictions")["key"].to_list())
    key = data.draw(st.sampled_from(keys))
    pieces = st.tuples(st.integers(0, len(key)), st.integers(0, len(key))).map(lambda ends: key[min(ends) : max(ends)])
    typed = " ".join(data.draw(st.lists(pieces, min_size=1, max_size=3)))
    fitting = [one for one in keys if all(word in one for word in typed.split())]
    if typed in keys:
        fitting = [typed]
    if len(fitting) == 1:
        assert [row["key"] for row in predictions_of(trips.ws.lake, NAME, typed)] == fitting
    else:
        with pytest.raises(AmbiguousKey) as refused:
            predictions_of(trips.ws.lake, NAME, typed)
        assert refused.value.keys == len(fitting) > 1
        assert {row["key"] for row in refused.value.candidates} <= set(fitting)


@pytest.mark.parametrize("hostile", ["%", "_", "' OR 1=1 --", '"', "\\", "\x00"])
def test_what_means_something_to_sql_is_text(trips: World, hostile: str) -> None:
    with pytest.raises(NotFoundError, match="no prediction of trip_delay for the key"):
        predictions_of(trips.ws.lake, NAME, hostile)


def test_case_does_not_count_and_a_whole_key_beats_a_longer_one(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    with trips.ws.lake.connection.cursor() as cursor:
        cursor.execute("USE lake")
        for key in ("AB 1 x", "ab 1 x y", "Cd 2"):
            cursor.execute(
                f"INSERT INTO {NAME}.predictions SELECT * REPLACE (? AS key) FROM {NAME}.predictions LIMIT 1", [key]
            )
    for typed, meant in (("ab 1 X", "AB 1 x"), ("AB 1 x", "AB 1 x"), ("x 1 y", "ab 1 x y"), ("cd", "Cd 2")):
        assert {row["key"] for row in predictions_of(trips.ws.lake, NAME, typed)} == {meant}


def test_the_beginning_of_a_time_chooses_among_keys_and_predictions(trips: World) -> None:
    row = trips.frame(f'SELECT key, "at" FROM {NAME}.predictions ORDER BY key LIMIT 1').row(0, named=True)
    for at in (row["at"].isoformat(), f"{row['at']:%Y-%m-%d}", f"{row['at']:%Y-%m-%dT%H:%M}"):
        assert [one["at"] for one in predictions_of(trips.ws.lake, NAME, row["key"], at)] == [row["at"]]
    with pytest.raises(NotFoundError, match=rf"for '{row['key']}' at '2031'. Known: 2024-02"):
        predictions_of(trips.ws.lake, NAME, row["key"], "2031")


def test_a_pipeline_without_predictions_says_what_to_run(open_world: OpenWorld) -> None:
    trips = open_world(None)
    with pytest.raises(NotFoundError, match="It has none yet: `ml-platform run trip_delay`"):
        predictions_of(trips.ws.lake, NAME, "1")


def test_a_time_with_fractions_of_a_second_chooses_for_a_part_of_a_key_as_for_a_whole_one(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    with trips.ws.lake.connection.cursor() as cursor:
        cursor.execute("USE lake")
        for key, at in (("ZZ 1 whole", "2024-02-03 10:00:00"), ("ZZ 2 half", "2024-02-03 10:00:00.5")):
            cursor.execute(
                f'INSERT INTO {NAME}.predictions SELECT * REPLACE (? AS key, ?::TIMESTAMPTZ AS "at") '
                f"FROM {NAME}.predictions LIMIT 1",
                [key, at],
            )
    for typed in ("ZZ 2 half", "zz 2"):
        for at in ("2024-02-03 10:00:00.5", "2024-02-03T10:00:00.500000+00:00", "2024-02-03T10"):
            assert [row["key"] for row in predictions_of(trips.ws.lake, NAME, typed, at)] == ["ZZ 2 half"]
    for typed in ("ZZ 1 whole", "zz 1"):
        assert predictions_of(trips.ws.lake, NAME, typed, "2024-02-03T10:00:00.000000Z")
    with pytest.raises(NotFoundError, match=r"Known: 2024-02-03 10:00:00.500000\."):
        predictions_of(trips.ws.lake, NAME, "ZZ 2 half", "2024-02-03 10:00:00.6")
