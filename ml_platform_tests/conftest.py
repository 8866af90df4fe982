"""Fixtures for every area: settings in a temporary folder, a real lake there, and platforms that ran already."""

import gc
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from ml_platform.lake.connection import Lake
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.stores import Stores
from ml_platform_tests import dagster_home, empty_lakes, scenario
from ml_platform_tests.built_once import built_once
from ml_platform_tests.examples import register_profiles, threads
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.world import World, world

OpenWorld = Callable[..., World]
SLOW_TEST_TIMEOUT = 1800  # seconds
ON_ONE_WORKER = ("end_to_end", "orchestration")  # packages whose tests share a platform with a Dagster home
NEW_OBJECTS = 50_000  # before Python looks for garbage, as in `ml-platform`; its default takes 7 % of the suite's CPU

register_profiles()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests may take longer than the others before they count as hanging."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TEST_TIMEOUT))


def pytest_collection_finish() -> None:
    """What is loaded by now stays, so Python need not look through it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """A file goes to one worker as a whole, and a package whose tests share a running platform too."""
    return _ByPlatform(config, log) if config.getvalue("dist") == "loadfile" else None


class _ByPlatform(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder.endswith(ON_ONE_WORKER) else file


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a platform of its own; the environment says the same, for code that reads it there."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("ML_PLATFORM_CATALOG", raising=False)
    return Settings(data=tmp_path / "data", lock_timeout=20, threads=threads())


@pytest.fixture(scope="session", autouse=True)
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty lake with its operational state; whatever begins with one copies it."""
    built = built_once(tmp_path_factory, "empty", lambda folder: Workspace.open(Settings(data=folder), {}).close())
    empty_lakes.copy_from(built / "lake")
    return built / "lake"


@pytest.fixture(scope="session", autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Homes of Dagster are copies of one, which is made when a test first needs one."""
    dagster_home.copy_in(tmp_path_factory)


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

    def build(folder: Path) -> None:
        with closing(world(folder, scenario.trips(), pictures=True)) as one:
            one.land_trips("2024-01", "2024-02", "2024-03")
            one.run("2024-01")

    return built_once(tmp_path_factory, "january", build)


@pytest.fixture(scope="session")
def february(january: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same a month later: January's champion met its first challenger."""

    def build(folder: Path) -> None:
        shutil.copytree(january, folder)
        with closing(world(folder, scenario.trips(), pictures=True)) as one:
            one.run("2024-02")

    return built_once(tmp_path_factory, "february", build)


@pytest.fixture(scope="session")
def trained_churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One snapshot of customers became a champion."""

    def build(folder: Path) -> None:
        with closing(world(folder, scenario.churn(), pictures=True)) as one:
            one.land_churn()
            one.run()

    return built_once(tmp_path_factory, "trained_churn", build)


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[OpenWorld]:
    """Opens a copy of such a platform, or an empty one for None, under these declarations."""
    worlds: list[World] = []

    def open_(original: Path | None, *pipelines: ModelPipeline, pictures: bool = False) -> World:
        folder = tmp_path / f"data{len(worlds)}"
        if original is not None:
            shutil.copytree(original, folder)
        worlds.append(world(folder, *(pipelines or [scenario.trips()]), pictures=pictures))
        return worlds[-1]

    yield open_
    for one in worlds:
        one.close()
