"""Trips with every type of label, as the lake's tables hold them: feature rows and validated rows, without files.

`fill` writes them; `rows` makes them, by a seed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.spec.examples import Examples, Label
from ml_platform.spec.features import Derived
from ml_platform.spec.partitions import Monthly
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.spec.training import LightGBM, Retrain, Split

SINCE = datetime(2013, 1, 1, tzinfo=UTC)
D = datetime(2013, 3, 1, tzinfo=UTC)  # the decision after two months
MONTHS = ["2013-01", "2013-02"]
_HOUR = timedelta(hours=1)


class Trips(dy.Schema):
    """One trip. Each input is of another type, and each label of another task:

    - `trip`: the key; `at`: prediction time; many trips may share one.
    - `city`: a category of four levels, null for 5 %.
    - `rush`: a Boolean, null for 3 %.
    - `km`: a number, null for 5 %; a test makes it infinite.
    - `riders`: a whole number that is never null.
    - `ended`: when the labels below are known, an hour after `at`; the column may be null.
    - `late`: the label of regression, and its sign that of a binary task. NaN and infinite values are allowed
      by the contract, and training refuses them as labels.
    - `kind`: the label of several classes.
    """

    trip = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    city = dy.String(nullable=True)
    rush = dy.Bool(nullable=True)
    km = dy.Float64(nullable=True)
    riders = dy.Int64(nullable=True)
    ended = dy.Datetime(time_zone="UTC", nullable=True)
    late = dy.Float64(nullable=True, allow_nan=True, allow_inf=True)
    kind = dy.String(nullable=True)


class Reports(dy.Schema):
    """What is reported about a trip later: a label in another table, which is there, absent or has a value.

    - `trip`: none, one or several reports belong to a trip.
    - `reported`: event time, and when it is known; an absence is known only once it had time to come.
    - `loss`: may be missing where the report is there.
    """

    report = dy.Int64(primary_key=True)
    trip = dy.Int64()
    reported = dy.Datetime(time_zone="UTC")
    loss = dy.Float64(nullable=True)


trips = Table("trips", Files("trips/*.csv"), contract=Trips, event_time="at", known_at="ended")
reports = Table("reports", Files("reports/*.csv"), contract=Reports, event_time="reported")
INPUTS = ("city", "rush", "km", "riders")
LABELS: dict[str, pl.Expr | Label] = {
    "binary": pl.col("late") > 0,
    "multiclass": pl.col("kind"),
    "regression": pl.col("late"),
    "absence": Label("reports", on="trip", matures_after="7d"),
    "presence": Label("reports", on="trip"),
    "value": Label("reports", on="trip", value=pl.col("loss") > 10),
}


def pipeline(label: str = "binary", **changes: Any) -> ModelPipeline:
    fields: dict[str, Any] = {
        "tables": (trips, reports),
        "examples": Examples("trips", key="trip", at="at", inputs=INPUTS, label=LABELS[label]),
        "features": (Derived(hour=pl.col("at").dt.hour(), far=pl.col("km") / 7.0),),
        "trainer": LightGBM(num_leaves=7, rounds=10, learning_rate=0.2),
        "split": Split(validation="7d", holdout="14d"),
        "retrain": Retrain(min_examples=50),
        "partitions": Monthly("2013-01", "2014-01"),
        **changes,
    }
    return ModelPipeline("trips_late", **fields)


def rows(count: int = 1200, seed: int = 1, days: int = 59) -> pl.DataFrame:
    """Trips spread over `days` from SINCE, known an hour or more after they began."""
    random = np.random.default_rng(seed)
    minutes = np.sort(random.integers(0, days * 24 * 60, count))
    km = np.round(random.gamma(2.0, 5.0, count), 2)
    city = random.choice(["oslo", "rome", "bonn", "graz"], count)
    late = np.round(km - 8 + 5 * (city == "rome") + random.normal(0, 4, count), 1)
    at = [SINCE + timedelta(minutes=int(m)) for m in minutes]
    frame = pl.DataFrame(
        {
            "trip": np.arange(count),
            "at": at,
            "city": city,
            "rush": random.random(count) < 0.3,
            "km": km,
            "riders": random.integers(1, 5, count),
            "ended": [t + _HOUR for t in at],
            "late": late,
            "kind": np.where(late > 5, "bad", np.where(late > 0, "poor", "good")),
        }
    ).with_columns(pl.col("at", "ended").cast(pl.Datetime("us", "UTC")))
    holes = pl.Series(random.random(count))
    return frame.with_columns(
        city=pl.when(holes > 0.05).then("city"),
        km=pl.when((holes < 0.9) | (holes > 0.95)).then("km"),
        rush=pl.when(holes < 0.97).then("rush"),
    )


def validated(frame: pl.DataFrame, known: str | None, arrival: datetime = SINCE) -> pl.DataFrame:
    """`frame` in the layout of a validated table: one version of each row, known from its own clock."""
    at = pl.col(known) if known else pl.lit(arrival)
    return frame.with_columns(
        _file=pl.lit("f1"),
        _row=pl.int_range(pl.len(), dtype=pl.Int64),
        _arrival=pl.lit(arrival).cast(pl.Datetime("us", "UTC")),
        _known_at=at.cast(pl.Datetime("us", "UTC")),
        _usable_at=at.cast(pl.Datetime("us", "UTC")),
        _superseded_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    )


def features(frame: pl.DataFrame, declared: ModelPipeline) -> pl.DataFrame:
    """What the features layer would write for those examples, before it is cut into partitions."""
    return frame.with_columns(e.alias(n) for n, e in declared.derived).select(
        *declared.row_schema, *declared.feature_schema
    )


def with_path(table: str) -> str:
    """The validated rows with `_path`, as `version_order.with_paths` gives those of files."""
    return f"SELECT *, _file || '.csv' AS _path FROM validated.{table}"


def fill(
    lake: Lake,
    declared: ModelPipeline,
    frame: pl.DataFrame,
    reported: pl.DataFrame | None = None,
    versions: pl.DataFrame | None = None,
) -> None:
    """Write the feature rows of `frame` and the validated tables; `versions` stands for validated.trips."""
    feature_rows = features(frame, declared)
    month = pl.col("at").dt.strftime("%Y-%m") if declared.partitions else pl.lit("all")
    with write(lake, Author("test")) as tx:
        source = versions if versions is not None else validated(frame, "ended")
        tx.replace("validated", "trips", source, partition="all")
        if reported is not None:
            tx.replace("validated", "reports", validated(reported, "reported"), partition="all")
        for (name,), part in feature_rows.with_columns(_m=month).group_by("_m", maintain_order=True):
            tx.replace(declared.name, "features", part.drop("_m"), partition=str(name))


def report_rows(rows_: list[tuple[int, int, datetime, float | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows_,
        schema={"report": pl.Int64, "trip": pl.Int64, "reported": pl.Datetime("us", "UTC"), "loss": pl.Float64},
        orient="row",
    )
