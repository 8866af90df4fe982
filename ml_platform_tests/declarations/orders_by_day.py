"""Orders of a shop by day: a first training after three days, then none for a week. Many days share a run."""

from datetime import UTC, datetime, timedelta

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform import (
    AtLeast,
    Daily,
    Derived,
    Examples,
    Files,
    LightGBM,
    Lookup,
    ModelPipeline,
    Retrain,
    Split,
    Table,
    Window,
)
from ml_platform_tests.scenario.landing import NO_REPORT

START = datetime(2024, 3, 1, tzinfo=UTC)
A_DAY = 40


class Orders(dy.Schema):
    order = dy.Int64(primary_key=True)
    place = dy.String()
    at = dy.Datetime(time_zone="UTC")
    known = dy.Datetime(time_zone="UTC")
    amount = dy.Float64(min=0)
    kept = dy.Bool()


class Places(dy.Schema):
    place = dy.String(primary_key=True)
    size = dy.Int64()


orders = Table("orders", Files("orders/*.csv"), Orders, event_time="at", known_at="known")
places = Table("places", Files("places.csv"), Places)

shop = ModelPipeline(
    "shop",
    description="Whether an order is kept.",
    owners=["team:shop"],
    partitions=Daily("2024-03-01", until="2024-04-01"),
    tables=[orders, places],
    examples=Examples("orders", key="order", at="at", inputs=["amount", "place"], label=pl.col("kept")),
    features=[
        Derived(hour=pl.col("at").dt.hour()),
        Lookup("places", on="place", take=["size"]),
        Window("orders", by="place", of="amount", agg=["mean"], over=["36h"]),
    ],
    trainer=LightGBM(rounds=3, min_data_in_leaf=2),
    split=Split(validation="1d", holdout="1d"),
    gates=[AtLeast("roc_auc", 0.5)],
    drift=NO_REPORT,
    retrain=Retrain(every=7, min_examples=100),
)


def day(number: int) -> str:
    """The key of a day, counted from 0."""
    return f"{START + timedelta(days=number):%Y-%m-%d}"


def order_rows(number: int) -> pl.DataFrame:
    """The orders of a day. A large amount is kept more often."""
    random, begin = np.random.default_rng(number), START + timedelta(days=number)
    amounts = np.round(random.gamma(2.0, 10.0, A_DAY), 2)
    return pl.DataFrame(
        {
            "order": range(number * A_DAY, (number + 1) * A_DAY),
            "place": random.choice(["a", "b", "c"], A_DAY),
            "at": [begin + timedelta(minutes=36 * i) for i in range(A_DAY)],
            "known": [begin + timedelta(minutes=36 * i + 5) for i in range(A_DAY)],
            "amount": amounts,
            "kept": amounts + random.normal(0, 10, A_DAY) > 20,
        }
    )
