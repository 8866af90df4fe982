"""`trip_delay`, which waits at a FIFO while it cleans drivers, and trains nothing: for stopping a run in its middle."""

import os
from pathlib import Path

import polars as pl

from ml_platform import Files, Retrain, Table
from ml_platform_tests import scenario


def clean_drivers(drivers: pl.DataFrame) -> pl.DataFrame:
    """As it came. RUN_GATE names a FIFO: whoever reads it knows that the run is here, and the run waits for a word."""
    if "RUN_GATE" in os.environ:
        Path(os.environ["RUN_GATE"]).write_text("here\n")
        Path(os.environ["RUN_GATE"]).read_text()
    return drivers


drivers = Table("drivers", Files("drivers.csv"), contract=scenario.Drivers, clean=clean_drivers)
trip_delay = scenario.trips(tables=[scenario.trips_, scenario.traffic, drivers], retrain=Retrain(min_examples=100_000))
