"""Will a flight from New York land more than a quarter of an hour late? (2013, US DOT)"""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    Derived,
    Examples,
    Files,
    Latency,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    NoWorseThanChampion,
    OverfitGap,
    Plausible,
    Retrain,
    Size,
    Split,
    Table,
    Window,
)

# Airports that fly to New York but are missing from the airports file: all in Puerto Rico.
UNLISTED = {
    "SJU": "America/Puerto_Rico",
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "STT": "America/Puerto_Rico",
}


class Flights(dy.Schema):
    """One scheduled departure from EWR, JFK or LGA."""

    flight_id = dy.String(primary_key=True, description="date, carrier, flight number and origin")
    sched_dep = dy.Datetime(time_zone="UTC", description="scheduled departure")
    sched_arr = dy.Datetime(time_zone="UTC", nullable=True, description="scheduled arrival")
    carrier = dy.String(min_length=2, max_length=2, description="airline, IATA code")
    flight = dy.Int32(min=1, max=9999, description="flight number")
    tailnum = dy.String(nullable=True, description="the aircraft")
    origin = dy.String(regex="^(EWR|JFK|LGA)$", description="airport of departure")
    dest = dy.String(min_length=3, max_length=3, description="airport of arrival")
    distance = dy.Float64(min=1, max=10_000, description="miles flown")
    dep_delay = dy.Float64(nullable=True, min=-180, max=2880, description="minutes late at departure; null: cancelled")
    arr_delay = dy.Float64(
        nullable=True, min=-180, max=2880, description="minutes late on landing; null: never landed there"
    )
    landed_at = dy.Datetime(time_zone="UTC", nullable=True, description="scheduled arrival plus arr_delay")


class Weather(dy.Schema):
    """One airport's weather in one hour."""

    origin = dy.String(primary_key=True, regex="^(EWR|JFK|LGA)$", description="the airport")
    observed_at = dy.Datetime(primary_key=True, time_zone="UTC", description="start of the hour")
    published_at = dy.Datetime(time_zone="UTC", description="end of the hour")
    temp = dy.Float64(nullable=True, min=-60, max=140, description="°F")
    dewp = dy.Float64(nullable=True, min=-80, max=100, description="dew point, °F")
    humid = dy.Float64(nullable=True, min=0, max=100, description="relative humidity, %")
    wind_dir = dy.Float64(nullable=True, min=0, max=360, description="degrees")
    wind_speed = dy.Float64(nullable=True, min=0, max=250, description="mph")
    precip = dy.Float64(nullable=True, min=0, max=20, description="inches")
    pressure = dy.Float64(nullable=True, min=850, max=1100, description="millibars")
    visib = dy.Float64(nullable=True, min=0, max=100, description="miles")


class Planes(dy.Schema):
    """One aircraft."""

    tailnum = dy.String(primary_key=True, description="registration")
    year = dy.Int32(nullable=True, min=1930, max=2014, description="year of manufacture")
    manufacturer = dy.String(description="who built it")
    seats = dy.Int32(min=1, max=900, description="number of seats")


class Airports(dy.Schema):
    """One airport."""

    faa = dy.String(primary_key=True, description="FAA code")
    tzone = dy.String(nullable=True, description="IANA time zone")
    lat = dy.Float64(min=-90, max=90, description="degrees north")
    lon = dy.Float64(min=-180, max=180, description="degrees east")


def clean_flights(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """Times of the day, in the zone of either airport, become moments in UTC."""
    zones = dict(airports.select("faa", "tzone").drop_nulls().iter_rows()) | UNLISTED
    minutes = pl.col("sched_arr_time").cast(pl.Int64, strict=False)
    flights = flights.with_columns(
        sched_dep=pl.col("time_hour").str.to_datetime(time_zone="UTC", strict=False)
        + pl.duration(minutes=pl.col("minute").cast(pl.Int64, strict=False)),
        zone=pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String),
        clock=pl.duration(minutes=minutes // 100 * 60 + minutes % 100),
    )
    flights = pl.concat([_with_arrival(part) for part in flights.partition_by("zone")])
    delay = pl.duration(minutes=pl.col("arr_delay").cast(pl.Float64, strict=False))
    day = pl.concat_str("year", pl.col("month").str.zfill(2), pl.col("day").str.zfill(2), separator="-")
    return flights.with_columns(
        flight_id=pl.concat_str(day, "carrier", "flight", "origin", separator=" "),
        landed_at=pl.col("sched_arr") + delay,
    )


def _with_arrival(flights: pl.DataFrame) -> pl.DataFrame:
    """Flights to one zone: the scheduled arrival is the first such time of day after departure."""
    zone = flights["zone"][0]
    if zone is None:
        return flights.with_columns(sched_arr=pl.lit(None, pl.Datetime("us", "UTC")))
    departure = pl.col("sched_dep").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    arrival = departure.dt.truncate("1d") + pl.col("clock")
    later = arrival + pl.when(arrival < departure).then(pl.duration(days=1)).otherwise(pl.duration(days=0))
    local = later.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return flights.with_columns(sched_arr=local.dt.convert_time_zone("UTC"))


def clean_weather(weather: pl.DataFrame) -> pl.DataFrame:
    """The hour's weather is published when the hour is over."""
    observed = pl.col("time_hour").str.to_datetime(time_zone="UTC", strict=False)
    return weather.with_columns(observed_at=observed, published_at=observed + pl.duration(hours=1))


airports = Table("airports", Files("airports.csv"), contract=Airports, description="Airports of the United States")
planes = Table("planes", Files("planes.csv"), contract=Planes, description="Aircraft, from the FAA registry")
local_departure = pl.col("sched_dep").dt.convert_time_zone("America/New_York")
planned_minutes = (pl.col("sched_arr") - pl.col("sched_dep")).dt.total_minutes()

flights = Table(
    "flights",
    Files("flights/*.csv"),
    contract=Flights,
    clean=clean_flights,
    needs=["airports"],
    event_time="sched_dep",
    known_at="landed_at",
    plausible=[
        # Of 2013's 336,776 departures one is planned before 5, one below 60 mph, and none is shorter or longer.
        Plausible("departure_hour", local_departure.dt.hour(), low=5, high=23, at_most=0.005),
        Plausible("planned_minutes", planned_minutes, low=30, high=780, at_most=0.005),
        Plausible("planned_mph", pl.col("distance") * 60 / planned_minutes, low=60, high=550, at_most=0.005),
    ],
    identifiers=["flight"],
    description="Departures from New York's airports",
)
weather = Table(
    "weather",
    Files("weather/*.csv"),
    contract=Weather,
    clean=clean_weather,
    event_time="observed_at",
    known_at="published_at",
    description="Hourly weather at New York's airports",
)

flight_delay = ModelPipeline(
    name="flight_delay",
    description="Will a flight from New York land more than 15 minutes late, judged at its scheduled departure?",
    owners=["team:operations"],
    purpose="Planning at the gates, for all flights of a day. It decides nothing about single passengers.",
    limits=[
        "Cancelled flights have no label: it says whether a flight that flies lands late, and not whether it flies.",
        "It knows nothing of strikes, closed airports or other days that its year did not have.",
    ],
    segments=["carrier"],
    partitions=Monthly(since="2013-01", until="2014-01"),
    tables=[flights, weather, planes, airports],
    examples=Examples(
        "flights",
        key="flight_id",
        at="sched_dep",
        inputs=["carrier", "flight", "origin", "dest", "tailnum", "distance", "sched_arr"],
        exclude=["tailnum", "flight", "sched_arr"],
        label=pl.col("arr_delay") > 15,
    ),
    features=[
        Derived(
            hour=local_departure.dt.hour() + local_departure.dt.minute() / 60,
            weekday=local_departure.dt.weekday(),
            day_of_year=local_departure.dt.ordinal_day(),
            planned_minutes=planned_minutes,
        ),
        Lookup("planes", on="tailnum", take=["seats", "year"]),
        Latest(
            "weather",
            on="origin",
            take=["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"],
            max_age="6h",
        ),
        Window("flights", by="carrier", of="arr_delay", agg=["mean", "count"], over=["3h", "1d", "7d", "28d"]),
        Window("flights", by="origin", of="arr_delay", agg=["mean", "count"], over=["3h", "1d", "7d"]),
        Window("flights", by="dest", of="arr_delay", agg=["mean", "count"], over=["3h", "1d", "7d", "28d"]),
        Window("flights", by="tailnum", of="arr_delay", agg=["mean", "count"], over=["3h", "1d", "7d", "28d"]),
    ],
    trainer=LightGBM(num_leaves=31, learning_rate=0.1, rounds=80),
    split=Split(validation="2d", holdout="12d"),
    gates=[
        AtLeast("roc_auc", 0.66),
        AtLeast("roc_auc", 0.60, by="origin"),
        NoWorseThanChampion("roc_auc", tolerance=0.01),
        OverfitGap("roc_auc", at_most=0.15),
        Latency(p99_ms=5),
        Size(mb=20),
    ],
    retrain=Retrain(every=1, min_examples=10_000),
)
