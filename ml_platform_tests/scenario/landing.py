"""What every scenario that lands files needs."""

import polars as pl

from ml_platform import Drift

NO_REPORT = Drift(report_rows=0)  # drawing one takes seconds, and is tested where it matters


def csv(frame: pl.DataFrame) -> str:
    """A frame as a landed file: times in ISO with their zone, nothing where there is no value."""
    return frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
