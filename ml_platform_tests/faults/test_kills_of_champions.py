"""SIGKILL while a champion is changed by hand: the log has the change once or not at all, and the next run goes on."""

import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.state import promotions
from ml_platform.state.promotions import Promotion
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.faults.conftest import KILLS, Chance, repeats
from ml_platform_tests.faults.programs import world
from ml_platform_tests.faults.workers import Worker, started_workers

NAME = trip_pipelines.APART
THROUGH = "2024-02"
ACTIONS = ("promote", "rollback")


@pytest.fixture(scope="module")
def two_champions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trips through February: each month's candidate came to serve."""
    folder = tmp_path_factory.mktemp("two") / "data"
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        made.land_trips("2024-01", "2024-02", "2024-03")
    with started_workers(1) as (worker,):
        worker.send("run", folder, THROUGH)
        worker.result()
    assert [entry.version for entry in _log(folder)] == [1, 2]
    return folder


@pytest.fixture(scope="module")
def seconds(two_champions: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an undisturbed change takes."""
    folder = shutil.copytree(two_champions, tmp_path_factory.mktemp("undisturbed") / "data")
    with started_workers(1) as (worker,):
        began = _begun(worker, folder, "promote")
        worker.result()
    return time.monotonic() - began


@pytest.mark.slow  # `test_processes` kills writers, and `test_promotions` says that an entry is written whole
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("repeat", repeats(KILLS, 0))
def test_a_change_of_champion_killed_at_any_moment_is_done_once_or_not_at_all(
    action: str, repeat: int, two_champions: Path, seconds: float, tmp_path: Path, chance: Chance
) -> None:
    folder = shutil.copytree(two_champions, tmp_path / "data")
    before = _log(folder)
    moment = chance(repeat).uniform(0, 1.1 * seconds)
    with started_workers(1) as (worker,):
        began = _begun(worker, folder, action)
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    killed = _log(folder)
    assert killed[:2] == before and len(killed) in (2, 3)
    with started_workers(1) as (again,):
        if len(killed) == 2:
            again.send("change_champion", folder, action, 1)
            again.result()
        again.send("run", folder, THROUGH)
        assert again.result() == 0, "the champion of the past months stands"
    after = _log(folder)
    assert after[:2] == before and [entry.version for entry in after] == [1, 2, 1]
    with closing(world(folder, trip_pipelines.trips(NAME))) as opened:
        assert promotions.champion_at(opened.ws.state, NAME) == 1
        published = opened.ws.lake.rows("SELECT seq, version FROM registry.promotions ORDER BY seq")
        assert published == [(entry.seq, entry.version) for entry in after]
        assert lake_contents.duplicate_keys(opened.ws.lake, [NAME]) == {}


def _begun(worker: Worker, folder: Path, action: str) -> float:
    worker.send("change_champion", folder, action, 1)
    assert worker.next_message() == {"began": True}
    return time.monotonic()


def _log(folder: Path) -> list[Promotion]:
    with closing(world(folder, trip_pipelines.trips(NAME))) as opened:
        return promotions.changes(promotions.history(opened.ws.state, NAME))
