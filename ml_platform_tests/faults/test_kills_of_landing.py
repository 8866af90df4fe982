"""SIGKILL while files land: each is there whole or not at all, and the same command again lands what is missing, once.

One command lands files of three kinds: new ones, corrections of files that were read, and files that were withdrawn
and come back. It is killed at the n-th moment at which it has something put on the disk, gives a file its name, or
removes one; then at random moments of a process that lands many.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.lake.blobs import file_hash
from ml_platform.runtime import retention
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.sources.withdrawing import withdraw
from ml_platform.state import files
from ml_platform_tests import scenario
from ml_platform_tests.faults import lake_contents, programs, trip_pipelines
from ml_platform_tests.faults.conftest import KILLS, Chance, repeats
from ml_platform_tests.faults.moments import killed_at
from ml_platform_tests.faults.workers import Worker, started_workers
from ml_platform_tests.scenario.landing import csv
from ml_platform_tests.world import World

MONTH = "2024-01"
TABLE = trip_pipelines.trips(trip_pipelines.APART).table("trips")
FIRST, SECOND = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)  # when the two landings arrived
NEW, CORRECTED, BACK = range(3)  # the number of a file modulo three
EVERY = range(1, 12)  # moments of a command that lands three files; the last one is after its end
Files = dict[str, str]  # name in the landing folder → hash of its bytes


@dataclass(frozen=True)
class Landing:
    """A data folder in which some of the files were landed and read before, and the folder that is to land."""

    data: Path
    sources: Path

    def land(self, data: Path) -> list[str]:
        """Land in this process; how each file ended."""
        return _land(data, self.sources, SECOND)

    def begun(self, worker: Worker, data: Path) -> float:
        """Order the landing; when it had begun."""
        worker.send("land_all", data, str(self.sources), SECOND.isoformat())
        assert worker.next_message() == {"began": True}
        return time.monotonic()


def _land(data: Path, sources: Path, arrived: datetime) -> list[str]:
    return [file.outcome for file in land(Settings(data=data), TABLE, [sources], arrived=arrived, replace=True)]


def _landing(folder: Path, number_of_files: int, padding: int) -> Landing:
    """`padding`: blanks after each zone, which cleaning strips. They make the files as large as that."""
    made = Landing(folder / "data", folder / "sources")
    earlier = folder / "earlier"
    rows = scenario.trip_rows(MONTH).with_columns(pl.col("zone") + " " * padding)
    of_file = pl.int_range(pl.len()) % number_of_files
    for path in (made.sources, earlier):
        path.mkdir(parents=True)
    for number in range(number_of_files):
        part = rows.filter(of_file == number)
        (made.sources / f"trips_{number:02}.csv").write_text(csv(part))
        if number % 3 != NEW:
            correction = pl.col("km") + (0.5 if number % 3 == CORRECTED else 0)
            (earlier / f"trips_{number:02}.csv").write_text(csv(part.with_columns(correction)))
    with closing(_world(made.data)) as opened:
        _land(made.data, earlier, FIRST)
        opened.step("raw/trips", "all")
        for number in range(BACK, number_of_files, 3):
            withdraw(opened.ws.state, opened.settings, "trips", f"trips_{number:02}.csv", why="early", actor="ada")
        opened.step("raw/trips", "all")
    return made


def _world(data: Path) -> World:
    return programs.world(data, trip_pipelines.trips(trip_pipelines.APART))


def _visible(folder: Path) -> Files:
    return {path.name: file_hash(path) for path in folder.iterdir() if not path.name.startswith(".")}


def _hidden(data: Path) -> list[Path]:
    return list(data.joinpath("landing").rglob(".*"))


def _nothing_is_half_landed(landing: Landing, data: Path) -> None:
    before, wanted = (_visible(folder) for folder in (landing.data / "landing" / "trips", landing.sources))
    there = _visible(data / "landing" / "trips")
    assert before.keys() <= there.keys() <= wanted.keys()
    assert all(digest in (before.get(name), wanted[name]) for name, digest in there.items())
    assert len(_hidden(data)) <= 1, "the file that was being copied"


def _all_is_landed(landing: Landing, data: Path) -> None:
    assert _visible(data / "landing" / "trips") == _visible(landing.sources)
    retention.sweep(Settings(data=data), grace=timedelta(0))
    assert _hidden(data) == []


def _contents(data: Path) -> dict[str, Any]:
    """What the next run reads of the files."""
    with closing(_world(data)) as opened:
        lake, state = opened.ws.lake, opened.ws.state
        opened.step("raw/trips", "all")
        opened.step("validated/trips", MONTH)
        assert opened.step("raw/trips", "all").status == "unchanged"
        standing = files.standing(state, "trips")
        assert {version.path: version.sha256 for version in standing} == {
            f"trips/{name}": digest for name, digest in _visible(data / "landing" / "trips").items()
        }
        raw = {part: rows for (schema, _, part), rows in lake_contents.rows_by_part(lake).items() if schema == "raw"}
        assert {version.file_id: version.rows for version in standing}.items() <= raw.items()
        assert lake.rows("SELECT _file, _row FROM raw.trips GROUP BY ALL HAVING count(*) > 1") == []
        current = lake.rows("SELECT count(*), count(DISTINCT trip) FROM validated.trips WHERE _superseded_at IS NULL")
        assert current == [(400, 400)]
        assert lake_contents.unfinished(state) == []
        return {
            "files": {(version.path, version.sha256, version.rows, version.arrival) for version in standing},
            "validated": lake.rows("FROM validated.trips ORDER BY ALL"),
        }


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    return _landing(tmp_path_factory.mktemp("three"), 3, 0)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """Files of half a megabyte each."""
    return _landing(tmp_path_factory.mktemp("thirty"), 30, 40_000)


@pytest.fixture(scope="module")
def again() -> Iterator[Worker]:
    """The process in which the command is repeated."""
    with started_workers(1) as (worker,):
        yield worker


@pytest.fixture(scope="module")
def undisturbed(thirty: Landing, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """What is read of files that landed in one go, and how many seconds that took."""
    data = shutil.copytree(thirty.data, tmp_path_factory.mktemp("undisturbed") / "data")
    with started_workers(1) as (fresh,):  # as fresh as those that are killed
        began = thirty.begun(fresh, data)
        assert sorted(fresh.result()) == ["landed"] * 20 + ["replaced"] * 10
        seconds = time.monotonic() - began
    _all_is_landed(thirty, data)
    return _contents(data), seconds


@pytest.mark.parametrize("moment", EVERY)
def test_a_landing_killed_before_any_of_its_writes_is_whole_when_it_is_repeated(
    moment: int, three: Landing, tmp_path: Path
) -> None:
    data = shutil.copytree(three.data, tmp_path / "data")
    killed = killed_at(moment, lambda: three.land(data))
    assert killed == (moment < max(EVERY)), "every moment is tried"
    _nothing_is_half_landed(three, data)
    outcomes = three.land(data)
    assert killed or outcomes == ["unchanged"] * 3
    _all_is_landed(three, data)


@pytest.mark.slow
@pytest.mark.parametrize("repeat", repeats(KILLS, 0))
def test_a_landing_killed_at_any_moment_loses_and_doubles_nothing_when_it_is_repeated(
    repeat: int,
    thirty: Landing,
    undisturbed: tuple[dict[str, Any], float],
    again: Worker,
    tmp_path: Path,
    chance: Chance,
) -> None:
    data = shutil.copytree(thirty.data, tmp_path / "data")
    expected, seconds = undisturbed
    moment = chance(repeat).uniform(0, 1.1 * seconds)
    with started_workers(1) as (worker,):
        began = thirty.begun(worker, data)
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    _nothing_is_half_landed(thirty, data)
    if repeat % 2:
        with closing(_world(data)) as opened:
            opened.step("raw/trips", "all")  # a run in between reads what is there
    thirty.begun(again, data)
    outcomes = again.result()
    _all_is_landed(thirty, data)
    assert _contents(data) == expected
    left = len([outcome for outcome in outcomes if outcome != "unchanged"])
    print(f"killed after {moment:.2f} s of {seconds:.2f}; {left} files were left")  # noqa: T201 — as the seed
