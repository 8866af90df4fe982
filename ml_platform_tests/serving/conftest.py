"""Fixtures of serving."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform_tests.built_once import built_once
from ml_platform_tests.serving.event_world import EventWorld, pipeline


@pytest.fixture(scope="session")
def events_lake(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Path:
    """A lake with one row of each table, long ago, and an online store that was filled from it."""

    def build(folder: Path) -> None:
        shutil.copytree(empty_lake, folder / "lake")
        settings = Settings(data=folder, threads=1, lock_timeout=20)
        with closing(Workspace.open(settings, pipeline().slices)) as stores, EventWorld(stores, pipeline()) as world:
            world.ready()

    return built_once(tmp_path_factory, "events", build)
