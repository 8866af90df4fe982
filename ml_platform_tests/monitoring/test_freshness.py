"""No fresh data is noticed where data should come, and nowhere else."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform import Hourly, Monthly
from ml_platform.monitoring.freshness import GRACE as GRACES
from ml_platform.monitoring.freshness import stale
from ml_platform.state.alerts import Alert
from ml_platform_tests import scenario
from ml_platform_tests.world import World, world

OPEN = scenario.trips(partitions=Monthly(since="2024-01"))
GRACE = GRACES[Monthly]
FEBRUARY_ENDS = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def trips_world(tmp_path: Path) -> Iterator[World]:
    with closing(world(tmp_path / "data", OPEN)) as opened:
        yield opened


def _stale(trips_world: World, moment: datetime) -> list[Alert]:
    return stale(trips_world.ws.state, trips_world.pipeline, trips_world.ws.slices, moment)


def _taken_in(trips_world: World, *months: str) -> None:
    trips_world.land_trips(*months)
    for layer in ("raw", "validated"):
        for table in trips_world.tables:
            trips_world.step(f"{layer}/{table}", months[0])


def test_a_month_without_rows_some_days_after_its_end_is_alarming(trips_world: World) -> None:
    _taken_in(trips_world, "2024-01")
    assert _stale(trips_world, FEBRUARY_ENDS + GRACE - timedelta(seconds=1)) == []
    (alert,) = _stale(trips_world, FEBRUARY_ENDS + GRACE)
    assert alert.title == "No fresh data: trip_delay has no trips of 2024-02"
    assert "ended on 01 March 2024" in alert.text and "ml-platform land trip_delay trips" in alert.text
    again = _stale(trips_world, FEBRUARY_ENDS + 2 * GRACE)
    assert [item.alert_id for item in again] == [alert.alert_id]
    _taken_in(trips_world, "2024-02")
    assert _stale(trips_world, FEBRUARY_ENDS + GRACE) == []


def test_the_newest_month_speaks_for_those_before_it(trips_world: World) -> None:
    _taken_in(trips_world, "2024-01")
    (alert,) = _stale(trips_world, datetime(2024, 5, 20, tzinfo=UTC))
    assert alert.partition == "2024-04"


def test_what_never_began_and_what_is_over_is_not_alarming(trips_world: World) -> None:
    assert _stale(trips_world, datetime(2024, 5, 20, tzinfo=UTC)) == []
    trips_world.declare(scenario.trips())  # until June 2024
    _taken_in(trips_world, "2024-01")
    assert _stale(trips_world, datetime.now(UTC)) == []


def test_a_table_that_comes_later_than_it_used_to_is_alarming(trips_world: World) -> None:
    # Traffic of one day lands every week, four weeks long.
    first = datetime(2024, 1, 8, tzinfo=UTC)
    rows = scenario.traffic_rows("2024-01")
    for week in range(4):
        day = first + timedelta(days=7 * week)
        part = rows.filter(rows["observed_at"].dt.date() == day.date())
        trips_world.land("traffic", f"traffic_{week}.csv", part, day)
    trips_world.step("raw/traffic", "all")
    last = first + timedelta(days=21)
    assert _stale(trips_world, last + timedelta(days=15)) == []
    (alert,) = _stale(trips_world, last + timedelta(days=16))
    assert (alert.severity, alert.asset) == ("warn", "raw/traffic")
    assert "not arrived since 29 January 2024" in alert.title and "every 7 days" in alert.text


def test_an_hour_is_alarming_some_hours_after_its_end_and_for_a_while_after_the_last(trips_world: World) -> None:
    last = scenario.trip_rows("2024-01")["ordered_at"].max()
    assert isinstance(last, datetime)  # on 31 January, some time after 23:00
    until = (last + timedelta(hours=2)).strftime("%Y-%m-%dT%H")
    trips_world.declare(scenario.trips(partitions=Hourly(since="2024-01-01T00", until=until)))
    trips_world.land("trips", "trips.csv", scenario.trip_rows("2024-01"), last + timedelta(minutes=1))
    for key in ("raw/trips", "validated/trips"):
        trips_world.step(key, "2024-01-01T00")
    ends = Hourly(until).window(until)[0]
    assert _stale(trips_world, ends + GRACES[Hourly] - timedelta(seconds=1)) == []
    (alert,) = _stale(trips_world, ends + GRACES[Hourly])
    assert alert.partition == (last + timedelta(hours=1)).strftime("%Y-%m-%dT%H")
    assert f"{ends:%d %B %Y}" in alert.text
    assert _stale(trips_world, ends + 2 * GRACES[Hourly]) == []
