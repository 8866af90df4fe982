"""Trips, trained every month; their drivers are in the database that TOWN_DB names."""

from ml_platform import Sql, Table
from ml_platform_tests import scenario
from ml_platform_tests.scenario.monthly_trips import Drivers, traffic, trips_

drivers = Table("drivers", Sql("drivers", connection="TOWN_DB", cursor="number"), contract=Drivers)
trip_delay = scenario.trips(tables=[trips_, traffic, drivers])
