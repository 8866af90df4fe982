"""Churn without partitions: will a customer leave within a month of the snapshot?

Four tables: customers are examples with a composite key, logins and calls are logs that are known soon and
late, plans are looked up. Rows are the same wherever they are made: the month of the snapshot is the seed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform import (
    AtLeast,
    Examples,
    Files,
    LightGBM,
    Lookup,
    ModelPipeline,
    Retrain,
    Since,
    Size,
    Split,
    Table,
    Window,
)
from ml_platform_tests.scenario.landing import NO_REPORT

SNAPSHOT = datetime(2024, 3, 1, tzinfo=UTC)


class Customers(dy.Schema):
    """One customer as seen on one day. What is awkward in each column:

    - `customer`, `taken_at`: the key is composite and holds the prediction time, so a prediction's key is JSON.
    - `plan`: a category; "pro" is not in the table of plans.
    - `spending`: null for every ninth customer.
    - `churned`: the label, a Boolean that is null until it is known.
    - `settled_at`: when it is known, a month after the snapshot; null until then.
    """

    customer = dy.String(primary_key=True)
    taken_at = dy.Datetime(primary_key=True, time_zone="UTC")
    plan = dy.String()
    spending = dy.Float64(nullable=True)
    churned = dy.Bool(nullable=True)
    settled_at = dy.Datetime(time_zone="UTC", nullable=True)


class Logins(dy.Schema):
    """An event without a value: it is counted and dated. `logged_at`, when it is known, is two seconds after `at`."""

    login = dy.Int64(primary_key=True)
    customer = dy.String()
    at = dy.Datetime(time_zone="UTC")
    logged_at = dy.Datetime(time_zone="UTC")


class Calls(dy.Schema):
    """An event with a value, `minutes`, which every seventh call lacks. Known a day late (`logged_at`)."""

    call = dy.Int64(primary_key=True)
    customer = dy.String()
    at = dy.Datetime(time_zone="UTC")
    logged_at = dy.Datetime(time_zone="UTC")
    minutes = dy.Float64(nullable=True)


class Plans(dy.Schema):
    """Prices, without a time; the plan "pro" is missing."""

    plan = dy.String(primary_key=True)
    price = dy.Float64()


customers = Table("customers", Files("customers/*.csv"), Customers, event_time="taken_at", known_at="settled_at")
logins = Table("logins", Files("logins/*.csv"), contract=Logins, event_time="at", known_at="logged_at")
calls = Table("calls", Files("calls/*.csv"), contract=Calls, event_time="at", known_at="logged_at")
plans = Table("plans", Files("plans.csv"), contract=Plans)


def churn(**changes: Any) -> ModelPipeline:
    """Will a customer leave within a month of the snapshot? Without partitions."""
    fields: dict[str, Any] = {
        "description": "Whether a customer leaves within a month.",
        "owners": ["team:care"],
        "tables": [customers, logins, calls, plans],
        "examples": Examples(
            "customers", key=("customer", "taken_at"), at="taken_at", inputs=["plan", "spending"], label="churned"
        ),
        "features": [
            Lookup("plans", on="plan", take=["price"]),
            Since("logins", on="customer"),
            Window("logins", by="customer", of=None, over=["7d", "28d"]),
            Since("calls", on="customer"),
            Window("calls", by="customer", of="minutes", agg=["sum", "max"], over=["28d"]),
        ],
        "trainer": LightGBM(num_leaves=4, rounds=10, learning_rate=0.2, min_data_in_leaf=3),
        "split": Split(validation=0.1, holdout=0.3),
        "gates": [AtLeast("roc_auc", 0.55), Size(mb=5)],
        "retrain": Retrain(min_examples=30),
        "drift": NO_REPORT,
        **changes,
    }
    return ModelPipeline("churn", **fields)


def customer_rows(taken_at: datetime = SNAPSHOT, *, settled: bool = True, count: int = 60) -> pl.DataFrame:
    """Sixty customers on one day. Those that leave log in less and call more."""
    random, leaves = np.random.default_rng(7), _leaving(taken_at, count)
    spending = np.round(random.gamma(4.0, 10.0, count), 2)
    return pl.DataFrame(
        {
            "customer": [f"c{number:03}" for number in range(count)],
            "taken_at": [taken_at] * count,
            "plan": random.choice(["basic", "family", "pro"], count),
            "spending": [None if number % 9 == 0 else float(spending[number]) for number in range(count)],
            "churned": [bool(leaves[number]) if settled else None for number in range(count)],
            "settled_at": [taken_at + timedelta(days=30) if settled else None] * count,
        },
        schema_overrides={"churned": pl.Boolean, "settled_at": pl.Datetime("us", "UTC")},
    )


def login_rows(taken_at: datetime = SNAPSHOT, count: int = 60) -> pl.DataFrame:
    """The logins of the four weeks before a snapshot."""
    return _events(taken_at, count, "login", staying=8, leaving=4, lag=timedelta(seconds=2))


def call_rows(taken_at: datetime = SNAPSHOT, count: int = 60) -> pl.DataFrame:
    """The calls of the four weeks before a snapshot, with minutes where somebody took them down."""
    frame = _events(taken_at, count, "call", staying=1, leaving=3, lag=timedelta(days=1))
    minutes = np.round(np.random.default_rng(9).gamma(2.0, 4.0, frame.height), 1)
    return frame.with_columns(minutes=pl.when(pl.int_range(pl.len()) % 7 != 0).then(pl.Series(minutes)))


def plan_rows() -> pl.DataFrame:
    return pl.DataFrame({"plan": ["basic", "family"], "price": [10.0, 25.0]})


def _leaving(taken_at: datetime, count: int) -> Any:
    return np.random.default_rng(int(f"{taken_at:%Y%m}")).random(count) < 0.4


def _events(taken_at: datetime, count: int, name: str, *, staying: int, leaving: int, lag: timedelta) -> pl.DataFrame:
    random, leaves = np.random.default_rng(int(f"{taken_at:%Y%m}") + len(name)), _leaving(taken_at, count)
    rows = [
        {"customer": f"c{number:03}", "at": taken_at - timedelta(seconds=int(random.integers(60, 28 * 86_400)))}
        for number in range(count)
        for _ in range(random.poisson(leaving if leaves[number] else staying))
    ]
    first = int(f"{taken_at:%Y%m}") * 10_000
    return pl.DataFrame(rows).select(
        (pl.int_range(pl.len()) + first).alias(name), "customer", "at", logged_at=pl.col("at") + lag
    )
