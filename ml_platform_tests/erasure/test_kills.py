"""SIGKILL while a customer is forgotten: nothing else is lost, nothing writes until it is finished, and it is."""

import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.erasure import resume
from ml_platform.errors import LakeError
from ml_platform.lake.unfinished_erasure import is_unfinished
from ml_platform.state import erasures
from ml_platform_tests import scenario
from ml_platform_tests.built_once import built_once
from ml_platform_tests.erasure import churn_world
from ml_platform_tests.erasure.churn_world import declared, holding, settings_of
from ml_platform_tests.erasure.test_forgetting import contents
from ml_platform_tests.world import World

MOMENTS = [*range(1, 100, 6), 1000]  # the last one is after its end


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "forgetting", churn_world.build)


def opened(data: Path) -> World:
    return World(settings_of(data), [scenario.churn()], pictures=False)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_erasure_killed_at_any_moment_is_finished_by_the_next(moment: int, used: Path, tmp_path: Path) -> None:
    data = shutil.copytree(used, tmp_path / "data")
    settings = settings_of(data)
    with closing(opened(data)) as world:
        before, keys = contents(world), world.keys()
    killed = subprocess.run(
        [sys.executable, "-m", "ml_platform_tests.erasure.killed", str(data), str(moment)],
        capture_output=True,
        check=False,
    )
    assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
    assert (killed.returncode == 0) == (moment == 1000), "every moment but the last is before its end"
    if is_unfinished(settings):
        with pytest.raises(LakeError, match="--resume"):
            opened(data)
        report = resume(settings, declared())
        assert report.done and report.versions == ("churn@1", "churn@2") and report.counts["raw.customers"] == 4
    if (one := _record(data)) is not None:
        assert one.status == "done"
        assert holding(data) == []
    with closing(opened(data)) as world:
        assert contents(world) == before and world.keys() == keys and world.planned() == []


def _record(data: Path) -> erasures.Erasure | None:
    with closing(opened(data)) as world:
        return next(iter(erasures.all_erasures(world.ws.state)), None)
