"""The loop as a user meets it: `dagster dev` runs, a file lands, the month it completes is scored."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
from ml_platform_tests.declarations import trips_monthly
from ml_platform_tests.orchestration.dagster_dev import dagster_dev
from ml_platform_tests.world import world

ALLOWED = float(os.environ.get("ML_PLATFORM_TEST_SECONDS", "60"))  # more, on a machine that others load
START = 4 * ALLOWED


@pytest.mark.slow
def test_a_file_that_lands_is_scored_within_a_minute(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", threads=1)
    with closing(world(settings.data, trips_monthly.trip_delay)) as trips_world:
        trips_world.land_trips("2024-01", "2024-02", "2024-03")
        trips_world.run("2024-01")
    environment = {
        "ML_PLATFORM_DATA": str(settings.data),
        "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.trips_monthly"]',
        "ML_PLATFORM_THREADS": "1",
    }
    with dagster_dev(tmp_path / "home", environment) as dev, Lake(settings, read_only=True) as lake:
        alive = _alive(dev.poll, tmp_path / "home" / "dev.log")
        # February was complete before it started: the sensors find it, and train on it.
        _until(lambda: _champions(lake) == 2, START, alive)
        with closing(world(settings.data, trips_monthly.trip_delay)) as trips_world:
            began = time.monotonic()
            trips_world.land_trips("2024-04")
        _until(lambda: _scored(lake, "2024-03") == 400, ALLOWED, alive)
        took = time.monotonic() - began
        print(f"\nfrom landing to scored: {took:.1f} s")  # noqa: T201  # the figure is what people run this for
        _until(lambda: _champions(lake) == 3, START, alive)


def _champions(lake: Lake) -> int:
    return int(lake.value("SELECT count(*) FROM registry.promotions WHERE action = 'promoted'"))


def _scored(lake: Lake, month: str) -> int:
    return int(lake.value("SELECT count(*) FROM trip_delay.predictions WHERE _partition = ?", [month]))


def _alive(poll: Callable[[], int | None], log: Path) -> Callable[[], None]:
    def check() -> None:
        if poll() is not None:
            pytest.fail(f"dagster dev ended: {log.read_text()[-3000:]}")

    return check


def _until(reached: Callable[[], bool], seconds: float, check: Callable[[], None]) -> None:
    """Look again and again until it is so, for as long as that."""
    deadline = time.monotonic() + seconds
    while not reached():
        check()
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s")
        time.sleep(0.2)  # between two looks; the deadline decides, not the sleep
