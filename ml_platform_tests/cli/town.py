"""The module that ML_PLATFORM_PIPELINES names in these tests: the two small worlds, and a gate to stop at."""

import os
from pathlib import Path

import polars as pl

from ml_platform_tests import scenario


def clean_drivers(drivers: pl.DataFrame) -> pl.DataFrame:
    """As it came; where a gate is given, whoever opens it knows that the run is here, and holds it here."""
    if "TOWN_GATE" in os.environ:
        Path(os.environ["TOWN_GATE"]).write_text("here\n")
        Path(os.environ["TOWN_GATE"]).read_text()
    return drivers


trip_delay = scenario.trips()
churn = scenario.churn()
