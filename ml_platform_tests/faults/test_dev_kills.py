"""SIGKILL for the whole tree of `dagster dev` at random moments: it goes on by itself, and ends as if undisturbed."""

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
from ml_platform_tests.faults.conftest import Chance
from ml_platform_tests.orchestration.dagster_dev import CONFIG, kill_dev, started_dev
from ml_platform_tests.world import World, world

KILLS = int(os.environ.get("ML_PLATFORM_TEST_KILLS", "40"))
LIFE = float(os.environ.get("ML_PLATFORM_TEST_LIFE", "45"))  # seconds until a kill, at most; it starts in some 15
ALLOWED = float(os.environ.get("ML_PLATFORM_TEST_SECONDS", "600"))  # to finish by itself after the last kill
MONTHS = ("2024-01", "2024-02", "2024-03")  # the last one waits for rows after it
NAME = trips_monthly.trip_delay.name


def _contents(made: World) -> dict[str, Any]:
    """What a lake holds at the end, apart from when and by which run it was made."""
    assert lake_contents.duplicate_keys(made.ws.lake, [NAME]) == {}
    assert lake_contents.unfinished(made.ws.state) == []
    assert lake_contents.recorded_twice(made.ws.state) == []
    keys = {where: key for where, (key, _) in lake_contents.keys(made.ws.state).items()}
    return {
        "keys": {where: key for where, key in keys.items() if not where[0].endswith("/report")},
        "rows": lake_contents.rows_by_part(made.ws.lake),
        "champions": lake_contents.champions(made.ws.state, NAME),
    }


@pytest.mark.slow
@pytest.mark.timeout(KILLS * LIFE + 3 * ALLOWED)
def test_a_tree_that_is_killed_at_any_moment_loses_and_doubles_nothing_and_goes_on_by_itself(
    tmp_path: Path, chance: Chance
) -> None:
    landed, settings, home, random = tmp_path / "landed", Settings(data=tmp_path / "data"), tmp_path / "home", chance(0)
    with closing(world(landed, trips_monthly.trip_delay)) as calm:
        calm.land_trips(*MONTHS)
    shutil.copytree(landed, settings.data)
    with closing(world(landed, trips_monthly.trip_delay)) as calm:
        calm.run()
        publish(calm.ws)
        undisturbed = _contents(calm)
    home.mkdir()
    # A run that is killed while it starts is ended after twenty seconds instead of three minutes.
    config = CONFIG.read_text().replace("start_timeout_seconds: 180", "start_timeout_seconds: 20")
    (home / "dagster.yaml").write_text(config)
    environment = {
        "ML_PLATFORM_DATA": str(settings.data),
        "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.trips_monthly"]',
        "ML_PLATFORM_THREADS": "1",
    }
    for _ in range(KILLS):
        dev = started_dev(home, environment)
        try:
            time.sleep(random.uniform(0, LIFE))  # the moment is what is tried
            assert dev.poll() is None, (home / "dev.log").read_text()[-3000:]
        finally:
            kill_dev(dev)
    dev = started_dev(home, environment)
    try:
        _until(lambda: _is_done(settings), lambda: dev.poll() is None, home / "dev.log")
    finally:
        kill_dev(dev)
    with closing(world(settings.data, trips_monthly.trip_delay)) as killed:
        publish(killed.ws)
        assert _contents(killed) == undisturbed
        assert [item.title for item in alerts.open_alerts(killed.ws.state, ["run", "sensor"])] == []


def _is_done(settings: Settings) -> bool:
    """Whether nothing is to be done, and no run is at it."""
    pipeline = trips_monthly.trip_delay
    with closing(Workspace.open_for_reading(settings, slices_of([pipeline]))) as reading:
        idle = not any((settings.lake / "locks" / "alive").glob("*"))
        return idle and bool(ledger.assets(reading.state)) and not list(planner(reading, pipeline).work())


def _until(reached: Callable[[], bool], alive: Callable[[], bool], log: Path) -> None:
    """Look again and again until it is so, for as long as that is allowed."""
    deadline = time.monotonic() + ALLOWED
    while not reached():
        assert alive(), log.read_text()[-3000:]
        assert time.monotonic() < deadline, f"stuck: {log.read_text()[-3000:]}"
        time.sleep(1)  # between two looks; the deadline decides
