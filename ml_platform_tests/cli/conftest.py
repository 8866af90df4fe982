"""A platform with two months of trips that were run, and its copies."""

import shutil
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from ml_platform_tests import scenario
from ml_platform_tests.built_once import built_once
from ml_platform_tests.dagster_home import make_home
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.examples import threads
from ml_platform_tests.world import world


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder after January to March landed and ran as far as complete; three trips of February are refused."""

    def build(folder: Path) -> None:
        with closing(world(folder, trips_and_churn.trip_delay, trips_and_churn.churn)) as opened:
            opened.land_trips("2024-01", "2024-02", "2024-03")
            trips = scenario.trip_rows("2024-02")
            too_far = pl.when(pl.int_range(pl.len()) < 3).then(250.0).otherwise("km")  # the contract allows 200
            opened.land("trips", "trips_2024-02.csv", trips.with_columns(km=too_far))
            opened.run()

    return built_once(tmp_path_factory, "finished_run", build)


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the town's declarations and a home for Dagster, in the environment; where data go."""
    home = make_home(tmp_path / "home")
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_and_churn"]')
    monkeypatch.setenv("ML_PLATFORM_THREADS", str(threads()))
    monkeypatch.setenv("ML_PLATFORM_LOCK_TIMEOUT", "20")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    return tmp_path / "data"


@pytest.fixture
def shared_platform(data_folder: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The platform that was run, itself: for commands that only read or are refused; its data folder."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(finished_run))
    return finished_run


@pytest.fixture
def platform(data_folder: Path, finished_run: Path) -> Path:
    """A copy of the platform that was run; its data folder."""
    shutil.copytree(finished_run, data_folder)
    return data_folder
