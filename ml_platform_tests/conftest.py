"""Fixtures for every area: settings in a temporary folder, a real lake there, and platforms that ran already."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.lake.connection import Lake
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.stores import Stores
from ml_platform_tests import scenario
from ml_platform_tests.examples import register_profiles
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.world import World, world

OpenWorld = Callable[..., World]
SLOW_TEST_TIMEOUT = 1800  # seconds

register_profiles()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests may take longer than the others before they count as hanging."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TEST_TIMEOUT))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform of its own; the environment says the same, for code that reads it there."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    return Settings(data=tmp_path / "data", lock_timeout=20, threads=2)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty lake with its operational state, made once: a copy costs a tenth of making it."""
    settings = Settings(data=tmp_path_factory.mktemp("empty"), threads=2)
    Workspace.open(settings, {}).close()
    return settings.lake


@pytest.fixture
def stores(settings: Settings, empty_lake: Path) -> Iterator[Stores]:
    """An empty lake with its operational state, and the blobs beside it."""
    shutil.copytree(empty_lake, settings.lake)
    with closing(Workspace.open(settings, {})) as workspace:
        yield workspace


@pytest.fixture
def lake(stores: Stores) -> Lake:
    """The lake of `stores`."""
    return stores.lake


@pytest.fixture
def state(stores: Stores) -> State:
    """The operational state of `stores`."""
    return stores.state


@pytest.fixture
def sandbox(stores: Stores) -> IngestionSandbox:
    """A lake ready for files."""
    return IngestionSandbox(stores)


@pytest.fixture(scope="session")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trips ran through January; the files of February and March have landed."""
    return _ran(tmp_path_factory.mktemp("january") / "data", "2024-01")


@pytest.fixture(scope="session")
def february(january: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same a month later: January's champion met its first challenger."""
    folder = tmp_path_factory.mktemp("february") / "data"
    shutil.copytree(january, folder)
    return _ran(folder, "2024-02")


@pytest.fixture(scope="session")
def trained_churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One snapshot of customers became a champion."""
    folder = tmp_path_factory.mktemp("churned") / "data"
    with closing(world(folder, scenario.churn())) as one:
        one.land_churn()
        one.run()
    return folder


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[OpenWorld]:
    """Opens a copy of such a platform, or an empty one for None, under these declarations."""
    worlds: list[World] = []

    def open_(original: Path | None, *pipelines: ModelPipeline) -> World:
        folder = tmp_path / f"data{len(worlds)}"
        if original is not None:
            shutil.copytree(original, folder)
        worlds.append(world(folder, *(pipelines or [scenario.trips()])))
        return worlds[-1]

    yield open_
    for one in worlds:
        one.close()


def _ran(folder: Path, through: str) -> Path:
    with closing(world(folder, scenario.trips())) as one:
        if not one.settings.landing.exists():
            one.land_trips("2024-01", "2024-02", "2024-03")
        one.run(through)
    return folder
