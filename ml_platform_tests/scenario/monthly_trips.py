"""Trips by month: will a trip arrive more than ten minutes late?

Three tables, each with a time of another kind: `trips` is known when it arrives, `traffic` when it is
published, `drivers` has no time at all. Rows are the same wherever they are made: the month is the seed.
"""

from datetime import datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform import (
    AtLeast,
    Derived,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    NoWorseThanChampion,
    Retrain,
    Size,
    Split,
    Table,
    Window,
)
from ml_platform_tests.scenario.landing import NO_REPORT

DRIVERS = [f"d{number:02}" for number in range(12)]  # the table of drivers lacks the last, whose lookups are null
ZONES = ["harbour", "hill", "old town"]  # a name with a space: it has to survive quoting
MONTHS = Monthly(since="2024-01", until="2024-06")


class Trips(dy.Schema):
    """One ordered trip. What is awkward in each column:

    - `trip`: the key, a number; predictions hold it as text.
    - `ordered_at`: event time and prediction time at once; it decides the month.
    - `driver`: joins drivers and windows and is kept out of the model (`exclude`).
    - `zone`: the slice of a gate; `clean_trips` strips it, and a file without it is refused by `clean`.
    - `km`: bounded, so that a row outside 0 to 200 is quarantined; a file of longer trips is a mended contract.
    - `arrived_at`: when the row is known. 3 % never arrive: no label, no feature, and still a prediction.
    - `late`: minutes. The label is made of it, and a window over earlier trips reads it too: a trip's own
      value leaks unless both clocks are kept. Null exactly where `arrived_at` is.
    """

    trip = dy.Int64(primary_key=True)
    ordered_at = dy.Datetime(time_zone="UTC")
    driver = dy.String()
    zone = dy.String()
    km = dy.Float64(min=0, max=200)
    arrived_at = dy.Datetime(time_zone="UTC", nullable=True)
    late = dy.Float64(nullable=True, min=-120, max=600)


class Traffic(dy.Schema):
    """How jammed a zone was. What is awkward in each column:

    - `zone`, `observed_at`: the key is composite and holds the event time.
    - `published_at`: known a quarter of an hour after it was observed, so the latest row in time is not yet usable.
    - `jam`: may be missing; the feature takes the latest row, not the latest value, and only of the last 12 hours.
    """

    zone = dy.String(primary_key=True)
    observed_at = dy.Datetime(primary_key=True, time_zone="UTC")
    published_at = dy.Datetime(time_zone="UTC")
    jam = dy.Float64(nullable=True)


class Drivers(dy.Schema):
    """What does not change with time. What is awkward in each column:

    - `driver`: not every driver of a trip is here.
    - `years`: narrower than what a CSV is read as, and null for the last driver listed.
    """

    driver = dy.String(primary_key=True)
    years = dy.Int32(nullable=True)


def clean_trips(trips: pl.DataFrame) -> pl.DataFrame:
    return trips.with_columns(pl.col("zone").str.strip_chars())


def clean_trips_anew(trips: pl.DataFrame) -> pl.DataFrame:
    """The same rows by other source: the key of what is made of them changes, and their content does not."""
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
    """Every driver but the last; nobody knows the years of the one before."""
    return pl.DataFrame({"driver": DRIVERS[:-1], "years": [*range(1, len(DRIVERS) - 1), None]})


def _jam(time: datetime, zone: int) -> float:
    return float(np.sin(time.hour / 24 * 2 * np.pi) * (zone + 1) + zone)
