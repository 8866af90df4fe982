"""When a partition is complete: declared rules, and what is waited for (S20)."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Daily, Files, Marker, Table, Watermark
from ml_platform.errors import DeclarationError
from ml_platform.steps.all_steps import planner
from ml_platform.validation.completeness import awaited, complete, markers
from ml_platform_tests import scenario
from ml_platform_tests.world import World, world

DAYS = Daily(since="2024-01-01", until="2024-01-08")


def declared(**rules: Watermark | Marker) -> list[Table]:
    traffic = Table(
        "traffic",
        Files("traffic/*.csv"),
        contract=scenario.Traffic,
        event_time="observed_at",
        known_at="published_at",
        complete=rules.get("traffic"),
    )
    return [scenario.trips_table(complete=rules.get("trips")), traffic, scenario.drivers]


@pytest.fixture
def trips_world(tmp_path: Path) -> Iterator[World]:
    with closing(world(tmp_path / "data", scenario.trips(partitions=DAYS))) as made:
        yield made


def _until(trips_world: World, moment: datetime, **rules: Watermark | Marker) -> list[str]:
    """The partitions that are complete with the trips and the traffic from before a moment."""
    trips_world.declare(scenario.trips(partitions=DAYS, tables=declared(**rules)))
    trips_world.land(
        "trips", "trips.csv", scenario.trip_rows("2024-01", 2000).filter(pl.col("ordered_at") <= moment), moment
    )
    trips_world.land(
        "traffic", "traffic.csv", scenario.traffic_rows("2024-01").filter(pl.col("observed_at") <= moment), moment
    )
    trips_world.land("drivers", "drivers.csv", scenario.driver_rows(), moment)
    for key in ("raw/drivers", "raw/trips", "raw/traffic", "validated/drivers", "validated/trips", "validated/traffic"):
        trips_world.step(key, "2024-01-01")
    return complete(trips_world.ws, trips_world.pipeline, trips_world.ws.slices)


def _awaited(trips_world: World) -> list[str]:
    first = awaited(trips_world.ws, trips_world.pipeline, trips_world.ws.slices)
    return list(first.needs) if first else []


def test_without_a_word_a_row_of_the_examples_after_a_partition_completes_it_S20(trips_world: World) -> None:
    assert _until(trips_world, datetime(2024, 1, 3, 12, tzinfo=UTC)) == ["2024-01-01", "2024-01-02"]
    (said,) = _awaited(trips_world)
    assert said == "2024-01-03 waits for a row of trips at or after 2024-01-04 00:00 UTC; the newest are of 2024-01-03."
    assert planner(trips_world.ws, trips_world.pipeline).awaited() == [said]


def test_a_watermark_waits_so_much_longer_and_every_table_that_declares_one_counts_S20(trips_world: World) -> None:
    half_past_one = datetime(2024, 1, 3, 1, 30, tzinfo=UTC)
    assert _until(trips_world, half_past_one, trips=Watermark("1h")) == ["2024-01-01", "2024-01-02"]
    assert _until(trips_world, half_past_one, trips=Watermark("2h")) == ["2024-01-01"]
    # Traffic comes every three hours: there is a row of midnight, and none of three o'clock.
    assert _until(trips_world, half_past_one, traffic=Watermark()) == ["2024-01-01", "2024-01-02"]
    assert _until(trips_world, half_past_one, traffic=Watermark("3h")) == ["2024-01-01"]
    (said,) = _awaited(trips_world)
    assert said == (
        "2024-01-02 waits for a row of traffic at or after 2024-01-03 03:00 UTC; the newest is of 2024-01-03 00:00."
    )


def test_a_marker_completes_a_partition_even_where_it_is_empty_S20(trips_world: World) -> None:
    done = Marker("done/trips_{partition}")
    evening = datetime(2024, 1, 2, 20, tzinfo=UTC)
    assert _until(trips_world, evening, trips=done) == []
    assert _awaited(trips_world) == ["2024-01-01 waits for the file done/trips_2024-01-01 in the landing folder."]
    folder = trips_world.settings.landing / "done"
    folder.mkdir()
    for day in ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05"):
        (folder / f"trips_{day}").touch()
    assert markers(trips_world.ws.settings, trips_world.pipeline) == [
        f"done/trips_2024-01-0{day}" for day in (1, 2, 3, 5)
    ]
    # Of 3 January there is no row; the 4th holds the 5th.
    assert complete(trips_world.ws, trips_world.pipeline, trips_world.ws.slices) == [
        "2024-01-01",
        "2024-01-02",
        "2024-01-03",
    ]


def test_an_empty_partition_makes_empty_features_and_predictions_and_fails_nothing_S20(trips_world: World) -> None:
    rows = scenario.trip_rows("2024-01", 2000)
    moment = datetime(2024, 1, 4, 1, tzinfo=UTC)
    without = rows.filter((pl.col("ordered_at") <= moment) & (pl.col("ordered_at").dt.day() != 2))
    trips_world.land("trips", "trips.csv", without, moment)
    trips_world.land("traffic", "traffic.csv", scenario.traffic_rows("2024-01"), moment)
    trips_world.land("drivers", "drivers.csv", scenario.driver_rows(), moment - timedelta(days=9))
    trips_world.run("2024-01-03")
    counts = trips_world.frame("SELECT _partition, count(*) FROM trip_delay.features GROUP BY 1 ORDER BY 1").rows()
    assert [day for day, _ in counts] == ["2024-01-01", "2024-01-03"]
    assert ("trip_delay/predictions", "2024-01-02", "made") in trips_world.steps_run
    assert trips_world.display("trip_delay/decision", "2024-01-02")["outcome"] == "skipped"
    assert trips_world.run() == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Marker("done/all"), "the path does not contain {partition}"),
        (lambda: Marker("../done_{partition}"), "leaves the landing folder"),
        (lambda: Watermark("soon"), "'soon' is not a span of time"),
        (lambda: scenario.trips_table(complete=Marker("trips/{partition}.csv")), "is one of its files"),
        (
            lambda: Table("drivers", Files("drivers.csv"), contract=scenario.Drivers, complete=Watermark()),
            "complete=Watermark without event_time=",
        ),
        (
            lambda: scenario.churn(
                tables=[
                    Table(
                        "customers",
                        Files("customers/*.csv"),
                        scenario.Customers,
                        event_time="taken_at",
                        known_at="settled_at",
                        complete=Watermark(),
                    ),
                    scenario.logins,
                    scenario.calls,
                    scenario.plans,
                ]
            ),
            "complete= of customers needs partitions, and the pipeline has none",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused(make: object, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        make()  # type: ignore[operator]  # each makes a word
    assert said in str(refused.value)
