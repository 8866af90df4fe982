"""Two pipelines over the same tables."""

from ml_platform.spec.examples import Examples
from ml_platform_tests import scenario

trip_delay = scenario.trips()
trip_length = scenario.trips(
    "trip_length",
    examples=Examples("trips", key="trip", at="ordered_at", inputs=["zone", "km"], label="late"),
    features=[],
    gates=[],
)
