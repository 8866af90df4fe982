"""Dagster's slices are the platform's: the same keys and bounds, of every length."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from ml_platform import Daily, Hourly, Monthly, Weekly
from ml_platform.orchestration.partitions import partitions_of
from ml_platform.orchestration.schedules import schedules_of
from ml_platform.spec.partitions import Partitions
from ml_platform_tests import scenario

SLICES: list[Partitions] = [
    Monthly("2023-11", until="2024-03"),
    Weekly("2023-12-25", until="2024-02-05"),
    Daily("2024-02-27", until="2024-03-03"),
    Hourly("2024-02-28T22", until="2024-03-01T02"),
]


@pytest.mark.parametrize("slices", SLICES, ids=lambda slices: type(slices).__name__)
def test_dagster_has_the_keys_and_bounds_of_the_platform(slices: Partitions) -> None:
    definition = partitions_of(slices)
    assert definition is not None
    assert list(definition.get_partition_keys()) == slices.keys()
    for key in definition.get_partition_keys():
        window = definition.time_window_for_partition_key(key)
        bounds = [datetime.fromtimestamp(moment.timestamp(), UTC) for moment in (window.start, window.end)]
        assert tuple(bounds) == slices.window(key)


def test_a_week_without_end_ends_with_the_last_one_that_did() -> None:
    slices = Weekly("2024-01-01")
    definition = partitions_of(slices)
    assert definition is not None
    assert list(definition.get_partition_keys()) == slices.keys()


def test_what_lies_in_the_future_is_no_partition_yet_and_so_is_not_missing() -> None:
    slices = Monthly("2024-01", until="2124-01")
    definition = partitions_of(slices)
    assert definition is not None
    assert list(definition.get_partition_keys()) == slices.keys()
    assert slices.keys() == Monthly("2024-01").keys() and slices.keys()[-1] < f"{datetime.now(UTC):%Y-%m}"
    assert Monthly("2123-01", until="2124-01").keys() == []


@pytest.mark.parametrize("slices", SLICES, ids=lambda slices: type(slices).__name__)
def test_the_calendar_follows_the_partitions(slices: Partitions) -> None:
    (calendar,) = schedules_of(scenario.trips(partitions=slices))
    assert isinstance(calendar, dg.ScheduleDefinition)
    asked = dict(
        zip(("Monthly", "Weekly", "Daily", "Hourly"), ("0-5 1 * *", "0-5 * * 1", "0-5 * * *", "* * * *"), strict=True)
    )
    assert calendar.cron_schedule == f"*/10 {asked[type(slices).__name__]}"
