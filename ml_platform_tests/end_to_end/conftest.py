"""The real flights of January and February 2013, run through Dagster once."""

from collections.abc import Iterator

import pytest

from ml_platform.demo.nyc_flights import land_months
from ml_platform_tests.orchestration.dagster_platform import Platform, platform_in


@pytest.fixture(scope="package")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_in(tmp_path_factory.mktemp("flights"), "ml_platform.pipelines.flight_delay") as platform:
        land_months(platform.ws.settings, "2013-02")
        platform.run("flight_delay", "2013-02")
        yield platform
