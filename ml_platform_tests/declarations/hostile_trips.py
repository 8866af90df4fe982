"""The trips of the scenario, described by a hostile text."""

from typing import Any

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests import scenario
from ml_platform_tests.hostile_text import HOSTILE


def described(**changes: Any) -> ModelPipeline:
    """The pipeline, with changes."""
    trips = scenario.trips_table(description=HOSTILE)
    return scenario.trips(description=HOSTILE, tables=[trips, scenario.traffic, scenario.drivers], **changes)


trip_delay = described()
