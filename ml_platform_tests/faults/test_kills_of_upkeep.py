"""SIGKILL at a random moment of `land` and of `maintain`: nothing is lost, and nothing stays that nobody removes."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_platform_tests.faults import programs
from ml_platform_tests.faults.conftest import Chance
from ml_platform_tests.faults.workers import Worker, started_workers

REPEATS = range(40)


@pytest.fixture(scope="module")
def again() -> Iterator[Worker]:
    """The process that does once more what was killed."""
    with started_workers(1) as (worker,):
        yield worker


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty files of a megabyte: landing them takes long enough to be killed in the midst of it."""
    folder = tmp_path_factory.mktemp("exports")
    for number in range(30):
        (folder / f"trips_{number:02}.csv").write_text(f"{number},\n" * 300_000)
    return folder


@pytest.fixture(scope="module")
def used(again: Worker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months ran: small files, rows in the catalog, old snapshots."""
    folder = tmp_path_factory.mktemp("used")
    programs.write_sources(folder / "sources")
    for order in ("land", "run_first", "run_second"):
        _answer(again, order, folder / "data", str(folder / "sources"))
    return folder / "data"


@pytest.mark.slow
@pytest.mark.parametrize("repeat", REPEATS)
def test_a_killed_landing_shows_whole_files_only_and_the_same_call_lands_the_rest(
    repeat: int, exports: Path, again: Worker, tmp_path: Path, chance: Chance
) -> None:
    folder, landing_folder = tmp_path / "data", tmp_path / "data" / "landing" / "trips"
    seconds = _seconds(again, "land_all", tmp_path / "undisturbed", str(exports))
    _kill(chance(repeat).uniform(0, 1.1 * seconds), "land_all", folder, str(exports))
    shown = {file.name for file in landing_folder.glob("trips_*.csv")}
    assert all((landing_folder / name).read_bytes() == (exports / name).read_bytes() for name in shown)
    assert _answer(again, "land_all", folder, str(exports)) == 30
    assert {file.name for file in landing_folder.glob("trips_*.csv")} == {file.name for file in exports.iterdir()}
    _answer(again, "maintain", folder)
    assert not list(landing_folder.glob(".*"))
    print(f"{len(shown)} of 30 were there")  # noqa: T201 — as the seed


@pytest.mark.slow
@pytest.mark.parametrize("repeat", REPEATS)
def test_killed_maintenance_loses_nothing_and_the_next_one_finishes_it(
    repeat: int, used: Path, again: Worker, tmp_path: Path, chance: Chance
) -> None:
    undisturbed, folder = shutil.copytree(used, tmp_path / "undisturbed"), shutil.copytree(used, tmp_path / "data")
    seconds = _seconds(again, "maintain", undisturbed)
    _kill(chance(repeat).uniform(0, 1.1 * seconds), "maintain", folder)
    before, after = _answer(again, "tell", undisturbed), _answer(again, "tell", folder)
    for name in ("rows", "keys", "champions", "story", "twice", "stale"):
        assert after[name] == before[name]
    _answer(again, "maintain", folder)
    assert _answer(again, "tell", folder) == before


def _answer(worker: Worker, order: str, folder: Path, *arguments: str) -> Any:
    worker.send(order, folder, *(arguments or ("",)))
    return worker.result()


def _seconds(worker: Worker, order: str, folder: Path, *arguments: str) -> float:
    """How long an order takes that nobody kills."""
    began = time.monotonic()
    _answer(worker, order, folder, *arguments)
    return time.monotonic() - began


def _kill(moment: float, order: str, folder: Path, *arguments: str) -> None:
    """Have a new process begin, and kill it then."""
    with started_workers(1) as (worker,):
        worker.send(order, folder, *(arguments or ("",)))
        assert worker.next_message() == {"began": True}
        began = time.monotonic()
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    print(f"killed after {moment:.2f} s")  # noqa: T201 — as the seed
