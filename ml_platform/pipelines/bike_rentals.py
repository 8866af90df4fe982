"""How many bikes will be rented in an hour in Washington, D.C.? (Capital Bikeshare, 2011 and 2012)"""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    AtMost,
    Derived,
    Drift,
    Examples,
    Files,
    Latency,
    Latest,
    LightGBM,
    ModelPipeline,
    Monthly,
    NoWorseThanChampion,
    Provenance,
    Retrain,
    Size,
    Split,
    Table,
    Window,
)

ZONE = "America/New_York"


class Rentals(dy.Schema):
    """One hour with at least one rental."""

    hour = dy.Datetime(primary_key=True, time_zone="UTC", description="start of the hour")
    counted_at = dy.Datetime(time_zone="UTC", description="end of the hour, when its rentals are counted")
    holiday = dy.Bool(description="a public holiday")
    workingday = dy.Bool(description="neither weekend nor holiday")
    weather = dy.String(nullable=True, description="Clear, Mist, Light Rain or Heavy Rain")
    temp = dy.Float64(nullable=True, min=-30, max=50, description="°C")
    atemp = dy.Float64(nullable=True, min=-40, max=60, description="°C, as it feels")
    hum = dy.Float64(nullable=True, min=0, max=100, description="relative humidity, %")
    windspeed = dy.Float64(nullable=True, min=0, max=150, description="km/h")
    casual = dy.Int32(min=0, max=5_000, description="rentals by guests")
    registered = dy.Int32(min=0, max=5_000, description="rentals by members")
    cnt = dy.Int32(min=0, max=10_000, description="rentals, by guests and members")


def clean_rentals(rentals: pl.DataFrame) -> pl.DataFrame:
    """`2011-07-13` and `4am`, by Washington's clocks, become a moment; Yes and No become truths."""
    clock = pl.col("hr").str.extract_groups(r"^(?<hour>\d+)(?<half>am|pm)$")
    hour = clock.struct["hour"].cast(pl.Int64) % 12 + 12 * (clock.struct["half"] == "pm").cast(pl.Int64)
    local = pl.col("dteday").str.to_datetime("%Y-%m-%d", strict=False) + pl.duration(hours=hour)
    start = local.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    return rentals.with_columns(
        hour=start,
        counted_at=start + pl.duration(hours=1),
        holiday=pl.col("holiday") == "Yes",
        workingday=pl.col("workingday") == "Yes",
        weather="weathersit",
    )


rentals = Table(
    "rentals",
    Files("rentals/*.csv"),
    contract=Rentals,
    clean=clean_rentals,
    event_time="hour",
    known_at="counted_at",
    description="Rentals and weather by the hour",
)

local_hour = pl.col("hour").dt.convert_time_zone(ZONE)

bike_rentals = ModelPipeline(
    name="bike_rentals",
    description="How many bikes are rented in an hour, judged at its start with the weather of the hour?",
    owners=["team:bikes"],
    partitions=Monthly(since="2011-01", until="2013-01"),
    tables=[rentals],
    examples=Examples(
        "rentals",
        key="hour",
        at="hour",
        inputs=["holiday", "workingday", "weather", "temp", "atemp", "hum", "windspeed"],
        label="cnt",
    ),
    features=[
        Derived(hour_of_day=local_hour.dt.hour(), weekday=local_hour.dt.weekday(), month=local_hour.dt.month()),
        Latest("rentals", on=None, take=["cnt"], offset="1d", max_age="1h"),
        Latest("rentals", on=None, take=["cnt"], offset="7d", max_age="1h"),
        Window("rentals", by=None, of="cnt", agg=["mean"], over=["3h", "1d", "7d", "28d"], resolution=1),
    ],
    trainer=LightGBM(num_leaves=31, learning_rate=0.05, rounds=300),
    split=Split(validation="2d", holdout="14d"),
    gates=[
        AtLeast("r2", 0.75),
        AtMost("mae", 60),
        NoWorseThanChampion("mae", tolerance=3),
        Provenance(acknowledged={"counted_at": "The rentals of an hour are counted when the hour is over."}),
        Latency(p99_ms=10),
        Size(mb=5),
    ],
    drift=Drift(weighted=0.9, score=0.9, nulls=0.2),  # rentals rise and fall with the season: .2 to .85 is usual
    retrain=Retrain(every=1, min_examples=2_000),
)
