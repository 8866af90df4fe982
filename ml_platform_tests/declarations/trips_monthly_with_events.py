"""Trips, trained every month, whose traffic may be corrected."""

from ml_platform import Files, Table
from ml_platform_tests import scenario
from ml_platform_tests.scenario.monthly_trips import Traffic, drivers, trips_

traffic = Table(
    "traffic",
    Files("traffic/*.csv"),
    contract=Traffic,
    event_time="observed_at",
    known_at="published_at",
    on_conflict="latest",
)
trip_delay = scenario.trips(tables=[trips_, traffic, drivers])
