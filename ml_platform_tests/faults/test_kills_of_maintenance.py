"""SIGKILL during `maintain`: whatever something refers to is there, and `maintain` again finishes its work.

It is killed before the n-th of the calls by which it removes or changes something; then at random moments of upkeep of
a lake that has months of work, corrections, and leftovers of killed processes in every folder.
"""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.lake import data_files, leftovers, lifetime, maintenance
from ml_platform.lake.blobs import file_hash, stored
from ml_platform.runtime import retention
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations
from ml_platform.state.publishing import publish
from ml_platform.views.health import examine
from ml_platform_tests import scenario
from ml_platform_tests.faults import lake_contents, moments, programs, trip_pipelines
from ml_platform_tests.faults.conftest import KILLS, Chance, repeats
from ml_platform_tests.faults.workers import Worker, started_workers
from ml_platform_tests.runtime import platforms
from ml_platform_tests.world import World, at_work_for_long

NAME = trip_pipelines.APART
THROUGH = "2024-02"
LONG_AGO = 1_700_000_000  # seconds since 1970: when the killed processes left their files
EVERY = range(1, 28)  # moments of upkeep of a small lake; the last one is after its end
FEW = (3, 20, 23, 27)
MOMENTS = [pytest.param(n, marks=[] if n in FEW else pytest.mark.slow) for n in EVERY]
CALLS: tuple[moments.Call, ...] = (*moments.WRITES, (maintenance, "_call"), (data_files, "set_aside"))


def _leave_behind(ws: Workspace) -> None:
    """What processes that were killed long ago left in every folder that maintenance looks into."""
    number, lake, settings = uuid.uuid4().hex, ws.lake, ws.settings
    paths = [path.with_name(leftovers.new_file_name()) for path in data_files.paths(lake)]
    paths += [lake.folder / "staging" / f"{number}.parquet", lake.folder / "staging" / f"spill-{number}" / "rows.tmp"]
    paths += [settings.artifacts / "incoming" / number, settings.landing / "trips" / f".{number}.tmp"]
    paths += [settings.reports / NAME / THROUGH / f".{number}"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half of it")
    paths += [ws.blobs.path(ws.blobs.put_bytes(b"of a run that recorded nothing %d" % n)) for n in range(10)]
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


def _left_over(ws: Workspace) -> list[str]:
    hidden = [str(path) for path in ws.settings.data.rglob(".*")]
    return hidden + lake_contents.orphans(ws, retention.referenced(ws.state))


@dataclass(frozen=True)
class Upkeep:
    """A data folder that has work for `maintain`, what is in it, and how many seconds undisturbed upkeep takes."""

    data: Path
    content: dict[str, Any]
    findings: set[str]
    seconds: float


def _world(data: Path) -> World:
    return programs.world(data, trip_pipelines.trips(NAME))


def _content(data: Path) -> dict[str, Any]:
    """Everything that something refers to, and the files of people."""
    with closing(_world(data)) as opened:
        lake, state, settings = opened.ws.lake, opened.ws.state, opened.settings
        referenced = retention.referenced(state)
        assert opened.planned(THROUGH) == []
        assert lake_contents.unfinished(state) == []
        return {
            "rows": lake_contents.checksums(lake),
            "parts": lake_contents.rows_by_part(lake),
            "keys": lake_contents.keys(state),
            "champions": lake_contents.champions(state, NAME),
            "story": lake_contents.story(lake),
            "blobs": {path.name: file_hash(path) for path in stored(settings.artifacts) if path.name in referenced},
            "landed": {
                path.name: file_hash(path)
                for path in settings.landing.rglob("*")
                if path.is_file() and not path.name.startswith(".")
            },
        }


def _findings(data: Path) -> set[str]:
    """What `doctor --deep` says that is not well, without the hashes that the next process notes."""
    declared = Declarations({NAME: trip_pipelines.trips(NAME)})
    findings = examine(lambda: Settings(data=data), lambda _: declared, deep=True)
    detailed = {f"{one.state} {one.name}: {one.detail.replace(str(data), '')}" for one in findings if one.state != "ok"}
    return {finding for finding in detailed if not finding.endswith("files were never hashed")}


@pytest.fixture(scope="module")
def again() -> Iterator[Worker]:
    """The process in which the command is repeated."""
    with started_workers(1) as (worker,):
        yield worker


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Upkeep:
    """Two months, then a correction of the first, and the leftovers."""
    data = tmp_path_factory.mktemp("used") / "data"
    with closing(_world(data)) as opened:
        at_work_for_long(opened)
        opened.land_trips("2024-01", "2024-02", "2024-03")
        opened.run("2024-01")
        opened.run(THROUGH)
        over = opened.pipeline.partitions.window("2024-03")[1]  # type: ignore[union-attr]  # trips have partitions
        opened.land("trips", "trips_2024-01.csv", scenario.trip_rows("2024-01").with_columns(pl.col("km") + 1), over)
        opened.run(THROUGH)
        publish(opened.ws)
        _leave_behind(opened.ws)
    content, findings = _content(data), _findings(data)
    assert not [finding for finding in findings if finding.startswith("bad")]
    copy = shutil.copytree(data, tmp_path_factory.mktemp("undisturbed") / "data")
    with started_workers(1) as (fresh,):  # as fresh as those that are killed
        began = _begun(fresh, copy)
        report = fresh.result()
        seconds = time.monotonic() - began
    assert min(report.values()) > 0, f"it has work of every kind: {report}"
    assert (_content(copy), _findings(copy)) == (content, findings)
    return Upkeep(data, content, findings, seconds)


def _begun(worker: Worker, data: Path) -> float:
    worker.send("maintain", data)
    assert worker.next_message() == {"began": True}
    return time.monotonic()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three numbers, of which each has rows, a record, a blob and a page, and the leftovers."""
    settings = Settings(data=tmp_path_factory.mktemp("small") / "data", threads=1)
    with closing(Workspace.open(settings, {})) as workspace:
        lifetime.begin(workspace.lake.folder, workspace.lake.identity, 0, datetime(1970, 1, 1, tzinfo=UTC))
        for number in (1, 2, 3):
            platforms.put(workspace, number)
        _leave_behind(workspace)
    return settings.data


@pytest.mark.parametrize("moment", MOMENTS)
def test_upkeep_killed_before_any_of_its_calls_loses_nothing_and_is_finished_by_the_next(
    moment: int, small: Path, tmp_path: Path
) -> None:
    settings = Settings(data=shutil.copytree(small, tmp_path / "data"), threads=1)
    killed = moments.killed_at(moment, lambda: programs.maintain(settings.data), CALLS)
    assert killed == (moment < max(EVERY)), "every moment is tried"
    assert platforms.numbers(settings) == [1, 2, 3]
    programs.maintain(settings.data)
    assert platforms.numbers(settings) == [1, 2, 3]
    with closing(platforms.opened(settings)) as workspace:
        assert _left_over(workspace) == []


@pytest.mark.slow
@pytest.mark.parametrize("repeat", repeats(KILLS, 0))
def test_upkeep_killed_at_any_moment_loses_nothing_and_is_finished_by_the_next(
    repeat: int, used: Upkeep, again: Worker, tmp_path: Path, chance: Chance
) -> None:
    data = shutil.copytree(used.data, tmp_path / "data")
    moment = chance(repeat).uniform(0, 1.1 * used.seconds)
    with started_workers(1) as (worker,):
        began = _begun(worker, data)
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        worker.kill()
    assert _findings(data) == used.findings
    assert _content(data) == used.content
    _begun(again, data)
    report = again.result()
    assert _findings(data) == used.findings
    assert _content(data) == used.content
    with closing(_world(data)) as opened:
        assert _left_over(opened.ws) == []
    print(f"killed after {moment:.2f} s of {used.seconds:.2f}; then {report}")  # noqa: T201 — as the seed
