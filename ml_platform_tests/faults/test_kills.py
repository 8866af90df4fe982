"""SIGKILL at a random moment of a run, then the run again: as if it had never happened.

The moment is drawn between the start of the run and a little more than it takes undisturbed. The narrow
moments between the lake's commit and the record of it, and before the record is committed, are all tried, one
after the other (S43). Afterwards upkeep without grace leaves no file that nothing refers to.
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

from ml_platform.lake import snapshots
from ml_platform.runtime import retention
from ml_platform.state import files, ledger
from ml_platform.state.publishing import AUTHOR as PUBLISHING
from ml_platform.steps.all_steps import STEPS
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.faults.conftest import IN_CI, KILLS, Chance, repeats
from ml_platform_tests.faults.programs import world
from ml_platform_tests.faults.workers import Worker, started_workers

NAME = trip_pipelines.APART
THROUGH = "2024-01"
TABLES = ("raw/trips", "raw/drivers", "validated/trips", "validated/drivers")
FILLED = [f"{NAME}/{name}" for name in ("features", "predictions", "performance", "drift")]
OWN = tuple(f"{NAME}/{step.name}" for job in ("data", "train") for step in STEPS if step.job == job)
ASSETS = (*TABLES, *OWN)  # everything that is put on record, in the order of a run
LAKE_ASSETS = tuple(asset for asset in ASSETS if asset in TABLES or asset in FILLED)


@dataclass(frozen=True)
class LakeState:
    """What a run leaves, and how many seconds it took."""

    rows: dict[lake_contents.TablePart, int]
    keys: dict[tuple[str, str], tuple[str, str]]
    champions: list[Any]
    story: dict[str, list[Any]]
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


@pytest.mark.parametrize("repeat", repeats(KILLS, IN_CI))
def test_a_run_killed_at_any_moment_ends_like_an_undisturbed_one_when_it_is_run_again(
    repeat: int, landed: Path, undisturbed: LakeState, again: Worker, tmp_path: Path, chance: Chance
) -> None:
    folder = shutil.copytree(landed, tmp_path / "data")
    moment = chance(repeat).uniform(0, 1.1 * undisturbed.seconds)
    with started_workers(1) as (worker,):
        began = _begun(worker, folder)
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    steps = _ends_alike(folder, undisturbed, again)
    print(f"killed after {moment:.2f} s of {undisturbed.seconds:.2f}; {steps} steps were left")  # noqa: T201 — as the seed


def test_runs_killed_between_the_commit_of_rows_and_their_record_end_alike(
    landed: Path, undisturbed: LakeState, again: Worker, tmp_path: Path
) -> None:
    folder = shutil.copytree(landed, tmp_path / "data")
    for asset in LAKE_ASSETS:  # each run goes on where the one before was killed
        _run_that_dies("run_killed_before_record", folder, asset)
        with closing(world(folder, trip_pipelines.trips(NAME))) as killed:
            (newest,) = snapshots.history(killed.ws.lake, limit=1)
            assert newest.what.split()[0] == asset, f"the rows of {asset} are committed"
            assert asset not in ledger.assets(killed.ws.state), f"and {asset} is not on record"
            announced = files.unfinished(killed.ws.state, asset.removeprefix("raw/"))
            assert bool(announced) is asset.startswith("raw/")
    _run_that_dies("run_killed_before_record", folder, PUBLISHING.asset)  # where nothing is recorded: it ends there
    _ends_alike(folder, undisturbed, again)


@pytest.mark.slow
def test_runs_killed_before_a_record_is_committed_end_alike(
    landed: Path, undisturbed: LakeState, again: Worker, tmp_path: Path
) -> None:
    folder = shutil.copytree(landed, tmp_path / "data")
    for asset in ASSETS:
        _run_that_dies("run_killed_in_record", folder, asset)
        with closing(world(folder, trip_pipelines.trips(NAME))) as killed:
            assert asset not in ledger.assets(killed.ws.state)
    _ends_alike(folder, undisturbed, again)


def _run_that_dies(how: str, folder: Path, asset: str) -> None:
    with started_workers(1) as (worker,):
        worker.send(how, folder, THROUGH, asset)
        with pytest.raises(AssertionError, match="ended with -9"):
            worker.result()


def _ends_alike(folder: Path, undisturbed: LakeState, again: Worker) -> int:
    """Run again what was killed and compare; how many steps were left to run."""
    again.send("run", folder, THROUGH)
    steps: int = again.result()
    left = _state(folder, 0.0)
    assert left.rows == undisturbed.rows
    assert left.keys == undisturbed.keys
    assert left.champions == undisturbed.champions
    assert left.story == undisturbed.story
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        assert made.planned(THROUGH) == [], "something is stale"
    return steps


def _begun(worker: Worker, folder: Path) -> float:
    """Order the run; when it had begun."""
    worker.send("run", folder, THROUGH)
    assert worker.next_message() == {"began": True}
    return time.monotonic()


def _state(folder: Path, seconds: float) -> LakeState:
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        lake = made.ws.lake
        retention.maintain(made.ws, keep_days=0, grace=timedelta(0))
        assert lake_contents.orphans(made.ws, retention.referenced(made.ws.state)) == []
        assert lake_contents.duplicate_keys(lake, [NAME]) == {}
        assert lake_contents.unfinished(made.ws.state) == []
        assert lake_contents.recorded_twice(made.ws.state) == []
        return LakeState(
            lake_contents.rows_by_part(lake),
            lake_contents.keys(made.ws.state),
            lake_contents.champions(made.ws.state, NAME),
            lake_contents.story(lake),
            seconds,
        )
