"""The platform that a notebook opens: trips that ran through February, with today's declarations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_platform
from ml_platform.notebook.pipeline import Pipeline
from ml_platform.notebook.platform import Platform

DECLARED = '["ml_platform_tests.declarations.trips_and_churn"]'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings; one thread."""
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", DECLARED)
    monkeypatch.setenv("ML_PLATFORM_THREADS", "1")
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)


@pytest.fixture
def platform(february: Path) -> Iterator[Platform]:
    with ml_platform.open(february) as opened:
        yield opened


@pytest.fixture
def trip_delay(platform: Platform) -> Pipeline:
    return platform["trip_delay"]
