"""SIGKILL for the whole tree of `dagster dev` at random moments: it goes on by itself, and ends as if undisturbed.

A life is one month of work with two kills, and then time to go on. One kill comes while the tree starts or a little
later, the other from the moment on at which a run is at work.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_platform.discovery import slices_of
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import alerts, ledger
from ml_platform.state.publishing import publish
from ml_platform.steps.all_steps import planner
from ml_platform_tests.declarations import trips_monthly
from ml_platform_tests.faults import lake_contents
from ml_platform_tests.faults.conftest import KILLS, Chance, repeats
from ml_platform_tests.orchestration.dagster_dev import CONFIG, kill_dev, started_dev
from ml_platform_tests.world import World, world

OF_A_LIFE = 2  # kills; a state whose runs are killed three times would rest for five minutes
STARTING, WORKING = 45.0, 20.0  # seconds until a kill, at most: after the start, and after a run began
ALLOWED = float(os.environ.get("ML_PLATFORM_TEST_SECONDS", "600"))  # to finish by itself after the last kill
MONTHS = ("2024-01", "2024-02", "2024-03")  # the last one waits for rows after it
BEFORE = ("", "2024-01")  # through which month the pipeline ran before: nothing is on record, or there is a champion
NAME = trips_monthly.trip_delay.name


def _contents(made: World) -> dict[str, Any]:
    """What a lake holds at the end, apart from when and by which run it was made."""
    assert lake_contents.duplicate_keys(made.ws.lake, [NAME]) == {}
    assert lake_contents.unfinished(made.ws.state) == []
    assert lake_contents.recorded_twice(made.ws.state) == []
    return {
        "keys": lake_contents.keys(made.ws.state),
        "rows": lake_contents.rows_by_part(made.ws.lake),
        "champions": lake_contents.champions(made.ws.state, NAME),
        "story": lake_contents.story(made.ws.lake),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """By the month that ran before: a data folder with one month of work, and what it holds after that."""
    ends = {}
    for before in BEFORE:
        folder = tmp_path_factory.mktemp("undisturbed")
        with closing(world(folder / "data", trips_monthly.trip_delay)) as calm:
            calm.land_trips(*MONTHS[: 2 + BEFORE.index(before)])
            if before:
                calm.run(before)
                publish(calm.ws)
        shutil.copytree(folder / "data", folder / "start")
        with closing(world(folder / "data", trips_monthly.trip_delay)) as calm:
            calm.run()
            publish(calm.ws)
            ends[before] = (folder / "start", _contents(calm))
    return ends


@pytest.mark.slow
@pytest.mark.timeout(4 * ALLOWED)
@pytest.mark.parametrize("repeat", repeats(KILLS // OF_A_LIFE, 0))
def test_a_tree_that_is_killed_at_any_moment_loses_and_doubles_nothing_and_goes_on_by_itself(
    repeat: int, undisturbed: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path, chance: Chance
) -> None:
    settings, home, random = Settings(data=tmp_path / "data"), tmp_path / "home", chance(repeat)
    start, expected = undisturbed[BEFORE[repeat % len(BEFORE)]]
    shutil.copytree(start, settings.data)
    home.mkdir()
    # A run that is killed while it starts is ended after forty seconds instead of three minutes.
    config = CONFIG.read_text().replace("start_timeout_seconds: 180", "start_timeout_seconds: 40")
    (home / "dagster.yaml").write_text(config)
    environment = {
        "ML_PLATFORM_DATA": str(settings.data),
        "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.trips_monthly"]',
        "ML_PLATFORM_THREADS": "1",
    }
    log = home / "dev.log"
    for at_work in (True, False) if repeat % 4 < 2 else (False, True):  # both orders for both beginnings
        earlier, dev = _runs(settings), started_dev(home, environment)
        try:
            if at_work:
                _until(lambda: bool(_runs(settings) - earlier), lambda: dev.poll() is None, log)  # noqa: B023 — for this round
            moment = random.uniform(0, WORKING if at_work else STARTING)
            time.sleep(moment)  # the moment is what is tried
            assert dev.poll() is None, log.read_text()[-3000:]
        finally:
            kill_dev(dev)
        print(f"killed after {moment:.1f} s{' of a run' * at_work}, {_standing(settings)}")  # noqa: T201 — as the seed
    dev, began = started_dev(home, environment), time.monotonic()
    try:
        _until(lambda: _is_done(settings), lambda: dev.poll() is None, log)
    finally:
        kill_dev(dev)
    print(f"done {time.monotonic() - began:.0f} s after the start")  # noqa: T201 — as the seed
    with closing(world(settings.data, trips_monthly.trip_delay)) as killed:
        publish(killed.ws)
        assert _contents(killed) == expected
        assert [item.title for item in alerts.open_alerts(killed.ws.state, ["run", "sensor"])] == []


def _standing(settings: Settings) -> str:
    """How far the work is: what is on record, and whether a run was at it."""
    with closing(Workspace.open_for_reading(settings, {})) as reading:
        recorded = sum(len(ledger.latest(reading.state, asset)) for asset in ledger.assets(reading.state))
    return f"{recorded} results on record, {len(_runs(settings))} runs killed"


def _runs(settings: Settings) -> set[str]:
    """The runs at work, and those that were killed until a sensor has taken note."""
    return {path.name for path in (settings.lake / "locks" / "alive").glob("*")}


def _is_done(settings: Settings) -> bool:
    """Whether nothing is to be done, and no run is at it."""
    pipeline = trips_monthly.trip_delay
    with closing(Workspace.open_for_reading(settings, slices_of([pipeline]))) as reading:
        recorded, work = ledger.assets(reading.state), planner(reading, pipeline).work()
        return bool(recorded) and not _runs(settings) and not list(work)


def _until(reached: Callable[[], bool], alive: Callable[[], bool], log: Path) -> None:
    """Look again and again until it is so, for as long as that is allowed."""
    deadline = time.monotonic() + ALLOWED
    while not reached():
        assert alive(), log.read_text()[-3000:]
        assert time.monotonic() < deadline, f"stuck: {log.read_text()[-3000:]}"
        time.sleep(1)  # between two looks; the deadline decides
