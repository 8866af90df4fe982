"""Generated card payments: the habits of 400 cards, and thieves among them. Not real data; the seed is fixed.

A payment is drawn from what lies before it alone. A stolen card pays several times within an hour, abroad, at
merchants of which some are in it; most such payments are charged back within a day, a few never are.
"""

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.demo.example import Example
from ml_platform.pipelines.card_fraud import card_fraud, cards, chargebacks, payments
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.spec.tables import Table

SEED = 20240501
CARDS, MERCHANTS, SHADY = 400, 60, 5
HOURLY = 60.0  # payments an hour, on average over the day
THEFTS = 0.35  # an hour, each of four to nine payments
UNSEEN = 0.05  # of the stolen payments nobody reports
COUNTRIES = np.array(["AT", "DE", "ES", "FR", "IT", "NL"])
DELIVERED = timedelta(minutes=2)  # after the hour that a file is about


def land_card_fraud(settings: Settings, through: str) -> int:
    """Land the generated hours from the first to `through` that are not there yet; how many files that were.

    The file of an hour arrives two minutes after it; the cards were there before. Raises NotFoundError for an
    hour that the pipeline does not have.
    """
    assert card_fraud.partitions is not None
    hours, landing, landed = card_fraud.partition_keys(through), settings.landing, 0
    first, end = card_fraud.partitions.window(hours[0])[0], card_fraud.partitions.window(hours[-1])[1]
    with tempfile.TemporaryDirectory() as scratch:
        for name, table, arrived, rows in _files(first, end, hours):
            if (landing / name).exists():
                continue
            file = Path(scratch) / Path(name).name
            rows.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
            land(settings, table, [file], arrived=arrived)
            landed += 1
    return landed


def generated(first: datetime, end: datetime) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Cards, payments and chargebacks of [first, end); of a shorter span the same rows, as far as it goes."""
    random = np.random.default_rng(SEED)
    homes = random.choice(COUNTRIES, CARDS, p=[0.1, 0.35, 0.1, 0.2, 0.15, 0.1])
    places = np.concatenate([COUNTRIES, random.choice(COUNTRIES, MERCHANTS - len(COUNTRIES))])
    spends = random.lognormal(3.0, 0.5, CARDS)
    paid: list[tuple[int, datetime, float, int, str]] = []
    hour = first
    while hour < end:
        random = np.random.default_rng([SEED, int(hour.timestamp())])
        busy = 1 + 0.7 * np.sin((hour.hour - 9) / 24 * 2 * np.pi)
        for card in random.integers(0, CARDS, random.poisson(HOURLY * busy)):
            abroad = random.random() < 0.06
            country = random.choice(COUNTRIES) if abroad else homes[card]
            merchant = random.choice(np.flatnonzero(places == country))
            when = hour + timedelta(seconds=int(random.integers(0, 3600)))
            paid.append((int(card), when, float(spends[card] * random.lognormal(0.0, 0.6)), int(merchant), ""))
        for card in random.integers(0, CARDS, random.poisson(THEFTS)):
            when = hour + timedelta(seconds=int(random.integers(0, 1800)))
            for _ in range(random.integers(4, 10)):
                when += timedelta(seconds=int(random.integers(60, 300)))
                shady = random.random() < 0.4
                merchant = MERCHANTS - 1 - random.integers(SHADY) if shady else random.integers(MERCHANTS)
                amount = float(spends[card] * random.lognormal(0.7, 0.6))
                noticed = when + timedelta(seconds=int(random.uniform(1.0, 22.0) * 3600))
                paid.append((int(card), when, amount, int(merchant), "" if random.random() < UNSEEN else f"{noticed}"))
        hour += timedelta(hours=1)
    frame = pl.DataFrame(
        paid,
        schema={
            "card": pl.Int64,
            "paid_at": pl.Datetime("us", "UTC"),
            "amount": pl.Float64,
            "merchant": pl.Int64,
            "noticed": pl.String,
        },
        orient="row",
    ).sort("paid_at", "card", "amount")
    reported = pl.col("noticed").replace("", None).str.to_datetime(time_zone="UTC", time_unit="us")
    frame = frame.select(
        pl.format("c{}", pl.col("card").cast(pl.String).str.zfill(3)).alias("card"),
        pl.int_range(1, pl.len() + 1).over("card").alias("number"),
        "paid_at",
        (pl.col("paid_at") + pl.duration(seconds=60 + pl.col("paid_at").dt.second())).alias("cleared_at"),
        pl.col("amount").round(2).clip(0.01, 20_000),
        pl.format("m{}", pl.col("merchant").cast(pl.String).str.zfill(2)).alias("merchant"),
        pl.Series("country", places)[frame["merchant"]].alias("country"),
        reported_at=reported,
    )
    reports = frame.drop_nulls("reported_at").select("card", "number", "merchant", "reported_at").sort("reported_at")
    who = pl.DataFrame({"card": [f"c{card:03}" for card in range(CARDS)], "home": homes.tolist()})
    return who, frame.drop("reported_at"), reports.filter(pl.col("reported_at") < end)


example = Example(
    card_fraud.name,
    "payments of 400 cards in eight days of 2024, by the hour; all of it is generated",
    lambda settings, through: land_card_fraud(settings, through or card_fraud.partition_keys()[-1]),
)


def _files(first: datetime, end: datetime, hours: list[str]) -> Iterator[tuple[str, Table, datetime, pl.DataFrame]]:
    """Path in the landing folder, table, arrival and rows of every file, in the order of arrival."""
    who, paid, reports = generated(first, end)
    yield "cards.csv", cards, first, who
    assert card_fraud.partitions is not None
    for hour in hours:
        start, over = card_fraud.partitions.window(hour)
        for table, rows, time in ((chargebacks, reports, "reported_at"), (payments, paid, "paid_at")):
            within = rows.filter(pl.col(time).is_between(start, over, closed="left"))
            yield f"{table.name}/{table.name}_{hour}.csv", table, over + DELIVERED, within
