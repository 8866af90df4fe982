"""Two small worlds, the same wherever they are made: `trips` by month, `churn` without partitions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
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

DRIVERS = [f"d{number:02}" for number in range(12)]
ZONES = ["harbour", "hill", "old town"]
MONTHS = Monthly(since="2024-01", until="2024-06")
NO_REPORT = Drift(report_rows=0)  # drawing one takes seconds, and is tested where it matters
SNAPSHOT = datetime(2024, 3, 1, tzinfo=UTC)


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
    """One customer as seen on one day; whether they left is known a month later."""

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


def clean_trips_anew(trips: pl.DataFrame) -> pl.DataFrame:
    return trips.with_columns(pl.col("zone").str.strip_chars(" "))


def trips_table(**changes: Any) -> Table:
    fields: dict[str, Any] = {
        "contract": Trips,
        "clean": clean_trips,
        "event_time": "ordered_at",
        "known_at": "arrived_at",
        "description": "Trips of one town",
        **changes,
    }
    return Table("trips", Files("trips/*.csv"), **fields)


trips_ = trips_table()
traffic = Table("traffic", Files("traffic/*.csv"), contract=Traffic, event_time="observed_at", known_at="published_at")
drivers = Table("drivers", Files("drivers.csv"), contract=Drivers)
customers = Table("customers", Files("customers/*.csv"), Customers, event_time="taken_at", known_at="settled_at")
logins = Table("logins", Files("logins/*.csv"), contract=Logins, event_time="at", known_at="logged_at")
calls = Table("calls", Files("calls/*.csv"), contract=Calls, event_time="at", known_at="logged_at")
plans = Table("plans", Files("plans.csv"), contract=Plans)


def trips(name: str = "trip_delay", **changes: Any) -> ModelPipeline:
    """Will a trip arrive more than ten minutes late? By month, from January 2024."""
    fields: dict[str, Any] = {
        "description": "Whether a trip arrives more than ten minutes late.",
        "owners": ["team:town"],
        "partitions": MONTHS,
        "tables": [trips_, traffic, drivers],
        "examples": Examples(
            "trips",
            key="trip",
            at="ordered_at",
            inputs=["driver", "zone", "km"],
            exclude=["driver"],
            label=pl.col("late") > 10,
        ),
        "features": [
            Derived(hour=pl.col("ordered_at").dt.hour()),
            Lookup("drivers", on="driver", take=["years"]),
            Latest("traffic", on="zone", take=["jam"], max_age="12h"),
            Window("trips", by="driver", of="late", agg=["mean", "count"], over=["7d"]),
        ],
        "trainer": LightGBM(num_leaves=7, rounds=15, learning_rate=0.2, min_data_in_leaf=10),
        "split": Split(validation="2d", holdout="9d"),
        "gates": [
            AtLeast("roc_auc", 0.6),
            AtLeast("roc_auc", 0.5, by="zone", min_rows=30),
            NoWorseThanChampion("roc_auc", tolerance=0.2),
            Size(mb=5),
        ],
        "retrain": Retrain(every=1, min_examples=200),
        "drift": NO_REPORT,
        **changes,
    }
    return ModelPipeline(name, **fields)


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


def trip_rows(month: str, count: int = 400) -> pl.DataFrame:
    """The trips ordered in a month, in order of time; 3 % never arrive."""
    start, end = MONTHS.window(month)
    random = np.random.default_rng(int(month.replace("-", "")))
    seconds = np.sort(random.integers(0, int((end - start).total_seconds()), count))
    ordered = [start + timedelta(seconds=int(second)) for second in seconds]
    who, where = random.integers(0, len(DRIVERS), count), random.integers(0, len(ZONES), count)
    km = np.round(random.gamma(3.0, 3.0, count), 1)
    jam = np.array([_jam(time, zone) for time, zone in zip(ordered, where, strict=True)])
    late = np.round(1.2 * km + 1.5 * who + 3 * jam - 18 + random.normal(0, 8, count), 1).clip(-100, 500)
    frame = pl.DataFrame(
        {
            "trip": np.arange(count) + int(month.replace("-", "")) * 10_000,
            "ordered_at": ordered,
            "driver": [DRIVERS[i] for i in who],
            "zone": [ZONES[i] for i in where],
            "km": km,
            "late": late,
        }
    )
    arrives = pl.Series(random.random(count) > 0.03)
    took = pl.duration(minutes=30 + pl.col("late").clip(-20).cast(pl.Int64))
    return frame.select(
        "trip",
        "ordered_at",
        "driver",
        "zone",
        "km",
        arrived_at=pl.when(arrives).then(pl.col("ordered_at") + took),
        late=pl.when(arrives).then("late"),
    )


def traffic_rows(month: str) -> pl.DataFrame:
    """Every zone every third hour, published a quarter of an hour later."""
    start, end = MONTHS.window(month)
    hours = int((end - start).total_seconds()) // 10_800
    times = [start + timedelta(hours=3 * hour) for hour in range(hours)]
    return pl.DataFrame(
        [
            {
                "zone": zone,
                "observed_at": time,
                "published_at": time + timedelta(minutes=15),
                "jam": round(_jam(time, number), 3),
            }
            for time in times
            for number, zone in enumerate(ZONES)
        ]
    )


def driver_rows() -> pl.DataFrame:
    return pl.DataFrame({"driver": DRIVERS[:-1], "years": [*range(1, len(DRIVERS) - 1), None]})


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


def csv(frame: pl.DataFrame) -> str:
    """A frame as a landed file: times in ISO with their zone, nothing where there is no value."""
    return frame.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")


def _jam(time: datetime, zone: int) -> float:
    return float(np.sin(time.hour / 24 * 2 * np.pi) * (zone + 1) + zone)


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
