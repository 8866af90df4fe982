"""A platform that ran through February, opened as an experiment opens it."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.discovery import slices_of
from ml_platform.experiments.changing import Variant, variants
from ml_platform.experiments.trying import Request, Tried, attempt
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests import scenario


class Bench:
    """Experiments on a copy of that platform. `stages` are those that were told."""

    def __init__(self, ws: Workspace, base: ModelPipeline) -> None:
        self.ws, self.base, self.stages = ws, base, list[str]()

    def variant(self, *settings: str, drop: tuple[str, ...] = ()) -> Variant:
        (one,) = variants(self.base, settings, drop)
        return one

    def attempt(self, *settings: str, drop: tuple[str, ...] = (), request: Request | None = None) -> Tried:
        self.stages.clear()
        variant = self.variant(*settings, drop=drop)
        return attempt(self.ws, self.base, variant, request or Request(), self.stages.append)


@pytest.fixture
def bench(february: Path, tmp_path: Path) -> Iterator[Bench]:
    shutil.copytree(february, tmp_path / "data")
    base = scenario.trips()
    settings = Settings(data=tmp_path / "data", threads=1, lock_timeout=20)
    with closing(Workspace.open_for_reading(settings, slices_of([base]), records=True)) as ws:
        yield Bench(ws, base)
