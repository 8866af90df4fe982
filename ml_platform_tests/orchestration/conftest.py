"""One platform with a Dagster instance of its own, on which both pipelines ran."""

from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest

from ml_platform.discovery import find
from ml_platform_tests.orchestration.dagster_platform import Platform, platform_in
from ml_platform_tests.world import world


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Churn was trained and kept out; trips ran through January."""
    folder = tmp_path_factory.mktemp("platform")
    with platform_in(folder, "ml_platform_tests.declarations.trips_and_failing_churn") as opened:
        with closing(world(opened.settings.data, find("trip_delay"), find("churn"))) as landing:
            landing.land_trips("2024-01", "2024-02")
            landing.land_churn()
        opened.run("churn")
        opened.run("trip_delay", "2024-01")
        yield opened


@pytest.fixture
def instance(platform: Platform) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as dagster_instance:
        yield dagster_instance
