"""Trips, trained once and then when somebody asks."""

from ml_platform import Retrain
from ml_platform_tests import scenario

trip_delay = scenario.trips(retrain=Retrain(every=None, min_examples=200))
