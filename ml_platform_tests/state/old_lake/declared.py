"""The pipelines of the old lake, as they were declared then.

A frozen copy: the declarations are part of the lake's content keys, so this module never follows a
change of the test support. It names nothing of ml_platform but its public words.
"""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    Derived,
    Drift,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    NoWorseThanChampion,
    Retrain,
    Since,
    Size,
    Split,
    Table,
    Window,
)


class Trips(dy.Schema):
    trip = dy.Int64(primary_key=True)
    ordered_at = dy.Datetime(time_zone="UTC")
    driver = dy.String()
    zone = dy.String()
    km = dy.Float64(min=0, max=200)
    arrived_at = dy.Datetime(time_zone="UTC", nullable=True)
    late = dy.Float64(nullable=True, min=-120, max=600)


class Traffic(dy.Schema):
    zone = dy.String(primary_key=True)
    observed_at = dy.Datetime(primary_key=True, time_zone="UTC")
    published_at = dy.Datetime(time_zone="UTC")
    jam = dy.Float64(nullable=True)


class Drivers(dy.Schema):
    driver = dy.String(primary_key=True)
    years = dy.Int32(nullable=True)


class Customers(dy.Schema):
    customer = dy.String(primary_key=True)
    taken_at = dy.Datetime(primary_key=True, time_zone="UTC")
    plan = dy.String()
    spending = dy.Float64(nullable=True)
    churned = dy.Bool(nullable=True)
    settled_at = dy.Datetime(time_zone="UTC", nullable=True)


class Logins(dy.Schema):
    login = dy.Int64(primary_key=True)
    customer = dy.String()
    at = dy.Datetime(time_zone="UTC")
    logged_at = dy.Datetime(time_zone="UTC")


class Calls(dy.Schema):
    call = dy.Int64(primary_key=True)
    customer = dy.String()
    at = dy.Datetime(time_zone="UTC")
    logged_at = dy.Datetime(time_zone="UTC")
    minutes = dy.Float64(nullable=True)


class Plans(dy.Schema):
    plan = dy.String(primary_key=True)
    price = dy.Float64()


def clean_trips(trips: pl.DataFrame) -> pl.DataFrame:
    return trips.with_columns(pl.col("zone").str.strip_chars())


TRIPS = Table(
    "trips",
    Files("trips/*.csv"),
    contract=Trips,
    clean=clean_trips,
    event_time="ordered_at",
    known_at="arrived_at",
    description="Trips of one town",
)
TRAFFIC = Table("traffic", Files("traffic/*.csv"), contract=Traffic, event_time="observed_at", known_at="published_at")
DRIVERS = Table("drivers", Files("drivers.csv"), contract=Drivers)
CUSTOMERS = Table("customers", Files("customers/*.csv"), Customers, event_time="taken_at", known_at="settled_at")
LOGINS = Table("logins", Files("logins/*.csv"), contract=Logins, event_time="at", known_at="logged_at")
CALLS = Table("calls", Files("calls/*.csv"), contract=Calls, event_time="at", known_at="logged_at")
PLANS = Table("plans", Files("plans.csv"), contract=Plans)

TRIP_DELAY = ModelPipeline(
    "trip_delay",
    description="Whether a trip arrives more than ten minutes late.",
    owners=["team:town"],
    partitions=Monthly(since="2024-01", until="2024-07"),
    tables=[TRIPS, TRAFFIC, DRIVERS],
    examples=Examples(
        "trips",
        key="trip",
        at="ordered_at",
        inputs=["driver", "zone", "km"],
        exclude=["driver"],
        label=pl.col("late") > 10,
    ),
    features=[
        Derived(hour=pl.col("ordered_at").dt.hour()),
        Lookup("drivers", on="driver", take=["years"]),
        Latest("traffic", on="zone", take=["jam"], max_age="12h"),
        Window("trips", by="driver", of="late", agg=["mean", "count"], over=["7d"]),
    ],
    trainer=LightGBM(num_leaves=7, rounds=15, learning_rate=0.2, min_data_in_leaf=10),
    split=Split(validation="2d", holdout="9d"),
    gates=[
        AtLeast("roc_auc", 0.6),
        AtLeast("roc_auc", 0.5, by="zone", min_rows=30),
        NoWorseThanChampion("roc_auc", tolerance=0.2),
        Size(mb=5),
    ],
    retrain=Retrain(every=2, min_examples=200),
    drift=Drift(report_rows=0),  # a report is a page of megabytes
)

CHURN = ModelPipeline(
    "churn",
    description="Whether a customer leaves within a month.",
    owners=["team:care"],
    tables=[CUSTOMERS, LOGINS, CALLS, PLANS],
    examples=Examples(
        "customers", key=("customer", "taken_at"), at="taken_at", inputs=["plan", "spending"], label="churned"
    ),
    features=[
        Lookup("plans", on="plan", take=["price"]),
        Since("logins", on="customer"),
        Window("logins", by="customer", of=None, over=["7d", "28d"]),
        Since("calls", on="customer"),
        Window("calls", by="customer", of="minutes", agg=["sum", "max"], over=["28d"]),
    ],
    trainer=LightGBM(num_leaves=4, rounds=10, learning_rate=0.2, min_data_in_leaf=3),
    split=Split(validation=0.1, holdout=0.3),
    gates=[AtLeast("roc_auc", 0.55), Size(mb=5)],
    retrain=Retrain(min_examples=30),
    drift=Drift(report_rows=0),
)

PIPELINES = [TRIP_DELAY, CHURN]
