"""Which raw columns move which columns: `clean` again with one raw column drawn anew (S41)."""

import random
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform import Files, Table
from ml_platform.validation.provenance import Movements, movements

RANDOM = np.random.default_rng(5)
RAW = pl.DataFrame(
    {
        "_row": np.arange(300),
        "id": [f"{n}" for n in range(300)],
        "start": RANDOM.integers(0, 1000, 300).astype(str),
        "end": RANDOM.integers(1000, 2000, 300).astype(str),
        "shop": RANDOM.choice(["a", "b", "c"], 300),
        "unused": RANDOM.choice(["x", "y"], 300),
    }
)


class Ride(dy.Schema):
    id = dy.String(primary_key=True)
    start = dy.Int64(nullable=True)
    minutes = dy.Float64(nullable=True)
    usual = dy.Float64(nullable=True)
    everybodys = dy.Float64(nullable=True)


def clean(rides: pl.DataFrame) -> pl.DataFrame:
    start, end = pl.col("start").cast(pl.Int64), pl.col("end").cast(pl.Int64)
    return rides.with_columns(start=start, minutes=end - start).with_columns(
        usual=pl.col("minutes").mean().over("shop"), everybodys=pl.col("minutes").mean()
    )


def moved(clean: Any, raw: pl.DataFrame = RAW) -> Movements:
    return movements(Table("rides", Files("rides/*.csv"), Ride, clean=clean), [("rides/a.csv", raw)], {})


def test_a_column_is_moved_by_what_it_is_made_of_and_means_by_what_is_averaged() -> None:
    assert moved(clean).movers == {
        "id": {"id"},
        "start": {"start"},
        "minutes": {"start", "end"},
        "usual": {"start", "end", "shop"},
        "everybodys": {"start", "end"},  # no order of the same values would move it
    }


def test_without_clean_every_column_is_its_own_raw_column() -> None:
    table = Table("shops", Files("shops.csv"), Ride)
    raw = RAW.select("_row", "id", "start", minutes=pl.lit("1"), usual=pl.lit("1"), everybodys=pl.lit("1"))
    assert movements(table, [("shops.csv", raw)], {}).movers == {name: {name} for name in table.columns}


def test_what_a_clean_draws_by_lot_moves_with_nothing() -> None:
    def noisy(rides: pl.DataFrame) -> pl.DataFrame:
        return clean(rides).with_columns(usual=pl.lit(pl.Series([random.random() for _ in range(rides.height)])))

    assert moved(noisy).movers["usual"] == set()


def test_a_raw_column_whose_other_values_clean_refuses_is_named() -> None:
    def strict(rides: pl.DataFrame) -> pl.DataFrame:
        if rides["unused"].to_list() != RAW["unused"].to_list():
            raise ValueError("no")
        return clean(rides)

    assert moved(strict).unjudged == ("unused",)
    assert moved(strict).movers["minutes"] == {"start", "end"}


def test_a_file_that_clean_refuses_shows_nothing() -> None:
    seen = moved(clean, RAW.drop("end"))
    assert (seen.sample.height, seen.of("minutes")) == (0, set())


def test_rows_that_a_clean_leaves_out_are_no_movement() -> None:
    def filtered(rides: pl.DataFrame) -> pl.DataFrame:
        made = clean(rides.filter(pl.col("unused") == "x"))
        return made.with_columns(usual=pl.lit(0.0), everybodys=pl.lit(0.0))

    assert moved(filtered).of("id", "start", "minutes") == {"id", "start", "end"}


def test_the_same_rows_are_asked_once_and_other_rows_or_needs_anew() -> None:
    calls = []

    def counted(rides: pl.DataFrame, shops: pl.DataFrame) -> pl.DataFrame:
        calls.append(shops.height)
        return clean(rides)

    table = Table("rides", Files("rides/*.csv"), Ride, clean=counted)
    shops = pl.DataFrame({"shop": ["a"]})
    first = movements(table, [("rides/a.csv", RAW)], {"shops": shops})
    asked = len(calls)
    assert asked == 2 + len(RAW.columns) - 1  # twice as they are, and once for each raw column
    again = movements(table, [("rides/a.csv", RAW.clone())], {"shops": shops})
    assert (again.movers, len(calls)) == (first.movers, asked) and again.sample.equals(first.sample)
    movements(table, [("rides/a.csv", RAW)], {"shops": shops.clear()})
    movements(table, [("rides/a.csv", RAW.head(200))], {"shops": shops})
    assert len(calls) == 3 * asked


def test_a_column_that_only_drops_rows_moves_what_differs_in_the_others() -> None:
    def positive(rides: pl.DataFrame) -> pl.DataFrame:
        return clean(rides.filter(pl.col("unused") == "x")).with_columns(usual=pl.len().cast(pl.Float64))

    assert moved(positive).movers == {
        "id": {"id"},
        "start": {"start"},
        "minutes": {"start", "end"},
        "usual": {"unused"},
        "everybodys": {"start", "end", "unused"},
    }
