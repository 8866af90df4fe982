"""Trips whose first gate asks for a ROC AUC of the variable TRIPS_GATE, and with TRIPS_LATENCY for a latency."""

import os

from ml_platform import AtLeast, Latency
from ml_platform_tests import scenario

trip_delay = scenario.trips(
    gates=[
        AtLeast("roc_auc", float(os.environ.get("TRIPS_GATE", "0.6"))),
        *([Latency(p99_ms=0.1)] if "TRIPS_LATENCY" in os.environ else []),
    ]
)
