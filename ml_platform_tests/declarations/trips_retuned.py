"""Trips after somebody changed how they are trained."""

from ml_platform import LightGBM
from ml_platform_tests import scenario

trip_delay = scenario.trips(trainer=LightGBM(num_leaves=5, rounds=9))
