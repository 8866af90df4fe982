"""Eleven processes on one lake: nothing fails, nothing is lost or doubled, and readers see whole parts only.

Four make different months from raw to features, four run a pipeline each from files to champion, over
the same tables; two read all the while, one writes beside them. What is left equals what one process
makes alone.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml_platform.state.publishing import publish
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.faults.conftest import REPEATS, Chance
from ml_platform_tests.faults.programs import end_to_end, months_apart, world, write_beside
from ml_platform_tests.faults.workers import Worker, started_workers

TIMES = 25  # commits of the writer that is no pipeline


@dataclass(frozen=True)
class Sight:
    """A lake, as two can be compared."""

    rows: dict[lake_contents.TablePart, int]
    keys: dict[tuple[str, str], tuple[str, str]]
    champions: dict[str, list[Any]]
    story: dict[str, list[Any]]


def _sight(folder: Path) -> Sight:
    names = [*trip_pipelines.END_TO_END, trip_pipelines.APART]
    with closing(world(folder, *trip_pipelines.pipelines())) as made:
        lake = made.ws.lake
        publish(made.ws)
        assert lake_contents.unfinished(made.ws.state) == []
        assert lake_contents.duplicate_keys(lake, names) == {}
        beside = lake.rows("SELECT number, count(*) FROM beside.rows GROUP BY number ORDER BY number")
        assert beside == [(number, 1) for number in range(TIMES)]
        return Sight(
            lake_contents.rows_by_part(lake),
            lake_contents.keys(made.ws.state),
            {name: lake_contents.champions(made.ws.state, name) for name in trip_pipelines.END_TO_END},
            lake_contents.story(lake),
        )


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of five months, and a lake that knows when they arrived."""
    folder = tmp_path_factory.mktemp("landed") / "data"
    with closing(world(folder, *trip_pipelines.pipelines())) as made:
        made.land_trips(*trip_pipelines.ALL_MONTHS)
    return folder


@pytest.fixture(scope="module")
def alone(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Sight:
    """What one process makes, one thing after the other."""
    folder = shutil.copytree(landed, tmp_path_factory.mktemp("alone") / "data")
    for month in trip_pipelines.MONTHS:
        months_apart(folder, month)
    for name in trip_pipelines.END_TO_END:
        end_to_end(folder, name)
    write_beside(folder, TIMES)
    return _sight(folder)


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started_workers(11) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("repeat", REPEATS)
def test_many_processes_at_once_make_what_one_makes_alone(
    repeat: int, landed: Path, alone: Sight, workers: list[Worker], tmp_path: Path, chance: Chance
) -> None:
    folder = shutil.copytree(landed, tmp_path / "data")
    orders: list[tuple[Any, ...]] = [("months_apart", folder, month) for month in trip_pipelines.MONTHS]
    orders += [("end_to_end", folder, name) for name in trip_pipelines.END_TO_END]
    orders += [("write_beside", folder, TIMES)]
    chance(repeat).shuffle(orders)
    *busy, one, other = workers
    for reader in (one, other):
        reader.send("look", folder)
    for worker, order in zip(busy, orders, strict=True):
        worker.send(*order)
    try:
        for worker in busy:
            worker.result()
    finally:
        (folder / "enough").touch()
        looks = [reader.result() for reader in (one, other)]
    assert all(count > 1 for count, _ in looks)
    for reader in (one, other):
        for told in reader.messages:
            *place, rows = told["saw"]
            if place[0] != "beside":
                assert rows == alone.rows[tuple(place)], f"a reader saw {rows} rows of {place}"
    left = _sight(folder)
    assert left.rows == alone.rows
    assert left.keys == alone.keys
    assert left.champions == alone.champions
    assert left.story == alone.story
