"""Events of many days, one file a day: the declaration of `bench.history`. BENCH_DAYS says how many days."""

import os
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    Daily,
    Derived,
    Drift,
    Examples,
    Files,
    LightGBM,
    ModelPipeline,
    Retrain,
    Split,
    Table,
    Window,
)

END = datetime(2024, 1, 1, tzinfo=UTC)  # of the last day that is settled
DAYS = int(os.environ.get("BENCH_DAYS", "100"))
ROWS = 24  # of a day


class Events(dy.Schema):
    """One event, whose label is known a minute later."""

    id = dy.Int64(primary_key=True)
    desk = dy.String()
    at = dy.Datetime(time_zone="UTC")
    known = dy.Datetime(time_zone="UTC")
    x = dy.Float64()
    y = dy.Bool()


events = Table("events", Files("events/*.csv"), Events, event_time="at", known_at="known")

days = ModelPipeline(
    name="days",
    description="Will it be so? Generated events, a few a day.",
    owners=["team:platform"],
    partitions=Daily(f"{END - timedelta(days=DAYS):%Y-%m-%d}", f"{END + timedelta(days=30):%Y-%m-%d}"),
    tables=[events],
    examples=Examples("events", key="id", at="at", inputs=["x", "desk"], label=pl.col("y")),
    features=[
        Derived(hour=pl.col("at").dt.hour()),
        Window("events", by="desk", of="x", agg=["count", "mean"], over=["1d", "7d"]),
    ],
    trainer=LightGBM(rounds=5, num_leaves=4, min_data_in_leaf=5),
    split=Split(validation="12h", holdout="1d"),
    gates=[AtLeast("roc_auc", 0.6)],
    drift=Drift(report_rows=0),
    retrain=Retrain(every=100_000, min_examples=4 * ROWS),  # once, then never again
)


def rows(day: datetime) -> pl.DataFrame:
    """The events of a day."""
    number = (day - datetime(1990, 1, 1, tzinfo=UTC)).days
    at = [day + timedelta(minutes=1 + i * 1440 // ROWS) for i in range(ROWS)]
    x = [(i * 37 + number * 11) % 101 / 10 for i in range(ROWS)]
    blurred = [(i * 53 + number * 29) % 89 / 10 - 4.4 for i in range(ROWS)]  # what no feature tells
    return pl.DataFrame(
        {
            "id": [number * ROWS + i for i in range(ROWS)],
            "desk": ["abcd"[i % 4] for i in range(ROWS)],
            "at": at,
            "known": [moment + timedelta(minutes=1) for moment in at],
            "x": x,
            "y": [value + noise > 5 for value, noise in zip(x, blurred, strict=True)],
        }
    )
