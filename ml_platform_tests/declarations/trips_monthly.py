"""Trips, trained every month."""

from ml_platform_tests import scenario

trip_delay = scenario.trips()
