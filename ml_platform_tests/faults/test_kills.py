"""SIGKILL at a random moment of a run, then the run again: as if it had never happened.

The moment is drawn between the start of the run and a little more than it takes undisturbed. Afterwards
upkeep without grace leaves no file that nothing refers to.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_platform.runtime import retention
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.faults.conftest import REPEATS, Chance
from ml_platform_tests.faults.programs import world
from ml_platform_tests.faults.workers import Worker, started_workers

NAME = trip_pipelines.APART
THROUGH = "2024-01"


@dataclass(frozen=True)
class LakeState:
    """What a run leaves, and how many seconds it took."""

    rows: dict[lake_contents.TablePart, int]
    keys: dict[tuple[str, str], tuple[str, str]]
    champions: list[Any]
    seconds: float


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landed") / "data"
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        made.land_trips("2024-01", "2024-02")
    return folder


@pytest.fixture(scope="module")
def again() -> Iterator[Worker]:
    """The process that runs once more what was killed."""
    with started_workers(1) as (worker,):
        yield worker


@pytest.fixture(scope="module")
def undisturbed(landed: Path, again: Worker, tmp_path_factory: pytest.TempPathFactory) -> LakeState:
    folder = shutil.copytree(landed, tmp_path_factory.mktemp("undisturbed") / "data")
    with started_workers(1) as (fresh,):  # as fresh as those that are killed
        began = _begun(fresh, folder)
        fresh.result()
        seconds = time.monotonic() - began
    return _state(folder, seconds)


@pytest.mark.parametrize("repeat", REPEATS)
def test_a_run_killed_at_any_moment_ends_like_an_undisturbed_one_when_it_is_run_again(
    repeat: int, landed: Path, undisturbed: LakeState, again: Worker, tmp_path: Path, chance: Chance
) -> None:
    folder = shutil.copytree(landed, tmp_path / "data")
    moment = chance(repeat).uniform(0, 1.1 * undisturbed.seconds)
    with started_workers(1) as (worker,):
        began = _begun(worker, folder)
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    again.send("run", folder, THROUGH)
    print(f"killed after {moment:.2f} s of {undisturbed.seconds:.2f}; {again.result()} steps were left")  # noqa: T201 — as the seed
    left = _state(folder, 0.0)
    assert left.rows == undisturbed.rows
    assert left.keys == undisturbed.keys
    assert left.champions == undisturbed.champions
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        assert made.planned(THROUGH) == [], "something is stale"


def _begun(worker: Worker, folder: Path) -> float:
    """Order the run; when it had begun."""
    worker.send("run", folder, THROUGH)
    assert worker.next_message() == {"began": True}
    return time.monotonic()


def _state(folder: Path, seconds: float) -> LakeState:
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        lake = made.ws.lake
        retention.maintain(made.ws, keep_days=0, grace=timedelta(0))
        assert lake_contents.orphans(made.ws, retention.referenced(made.ws)) == []
        assert lake_contents.duplicate_keys(lake, [NAME]) == {}
        return LakeState(
            lake_contents.rows_by_part(lake), lake_contents.keys(lake), lake_contents.champions(lake, NAME), seconds
        )
