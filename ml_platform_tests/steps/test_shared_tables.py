"""Tables that several pipelines use: taken in once, defined once (S34)."""

from pathlib import Path

import polars as pl
import pytest

from ml_platform import Monthly
from ml_platform.discovery import check_shared_tables, slices_of
from ml_platform.errors import DeclarationError
from ml_platform.spec.examples import Examples
from ml_platform.state.files import versions
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld


def _length() -> object:
    """Another pipeline over the same tables: how long a trip takes. No label, feature or table of its own."""
    return scenario.trips(
        "trip_length",
        examples=Examples("trips", key="trip", at="ordered_at", inputs=["zone", "km"], label="late"),
        features=[],
        gates=[],
    )


def test_a_table_of_two_pipelines_is_taken_in_once_S34(open_world: OpenWorld, january: Path) -> None:
    first, second = scenario.trips(), _length()
    both = open_world(january, first, second)
    assert both.run("2024-01") == [], "the other pipeline makes nothing of this one stale"
    made = both.run("2024-01", pipeline=second)
    assert {asset.split("/")[0] for asset, _, _ in made} == {"trip_length"}
    files = {table: len(versions(both.ws.state, table)) for table in ("drivers", "traffic", "trips")}
    assert files == {"drivers": 1, "traffic": 3, "trips": 3}


def test_two_definitions_of_one_table_are_refused_S34() -> None:
    other = scenario.trips_table(on_conflict="latest", clean=scenario.clean_trips_anew)
    one, two = scenario.trips(), scenario.trips("others", tables=[other, scenario.traffic, scenario.drivers])
    with pytest.raises(
        DeclarationError,
        match=r"Table\('trips'\): trip_delay and others define it differently "
        r"\(clean, on_conflict\).*Import one definition",
    ):
        check_shared_tables([one, two])


def test_equal_definitions_of_one_table_are_one_S34() -> None:
    again = scenario.trips("others", tables=[scenario.trips_table(), scenario.traffic, scenario.drivers])
    assert sorted(check_shared_tables([scenario.trips(), again])) == ["drivers", "traffic", "trips"]


def test_one_table_is_sliced_one_way() -> None:
    later = scenario.trips("others", partitions=Monthly(since="2024-02", until="2024-06"))
    with pytest.raises(DeclarationError, match="two pipelines partition it differently"):
        slices_of([scenario.trips(), later])
    assert slices_of([scenario.trips()])["drivers"] is None, "a table without time is whole"


def test_a_pipeline_without_partitions_over_a_table_in_months_is_refused() -> None:
    whole = scenario.trips(
        "others",
        partitions=None,
        features=[],
        gates=[],
        examples=Examples("trips", key="trip", at="ordered_at", inputs=["km"], label=pl.col("late") > 10),
    )
    for declared in ([scenario.trips(), whole], [whole, scenario.trips()]):
        problem = r"Table\('trips'\).*trip_delay partitions it.*others has no partitions"
        with pytest.raises(DeclarationError, match=problem):
            slices_of(declared)
