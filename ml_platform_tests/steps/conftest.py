"""Platforms that ran already, made once: a copy costs a hundredth of making one."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests import scenario
from ml_platform_tests.steps.world import World, world

Opening = Callable[..., World]


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
def churned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One snapshot of customers became a champion."""
    folder = tmp_path_factory.mktemp("churned") / "data"
    with closing(world(folder, scenario.churn())) as one:
        one.land_churn()
        one.run()
    return folder


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opening]:
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
