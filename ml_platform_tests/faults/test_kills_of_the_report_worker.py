"""SIGKILL of the process that draws reports: the run goes on, and the next one draws the report."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ml_platform import Drift, ModelPipeline
from ml_platform.lake.blobs import file_hash
from ml_platform.monitoring.report_worker import worker
from ml_platform_tests import scenario
from ml_platform_tests.faults.conftest import KILLS, Chance
from ml_platform_tests.world import World, world

FEBRUARY = "2024-02"
STEP = "trip_delay/report"


@pytest.fixture(scope="module")
def trips(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = shutil.copytree(february, tmp_path_factory.mktemp("reported") / "data")
    opened = world(folder, _pipeline())
    opened.run(FEBRUARY, recompute=True)
    yield opened
    opened.close()
    worker().close()


def _pipeline() -> ModelPipeline:
    return scenario.trips(drift=Drift(report_rows=300))


@pytest.mark.slow  # `test_report_worker` and `test_report` say the same of one moment each
def test_a_report_worker_killed_at_forty_moments_stops_nothing_and_the_next_run_draws(
    trips: World, chance: Chance
) -> None:
    trips.forget_records(STEP)
    began = time.monotonic()
    trips.step(STEP, FEBRUARY)
    seconds = time.monotonic() - began
    moments, outcomes = chance(0), []
    for repeat in range(KILLS):
        cold = repeat % 8 == 0  # it is being started
        if cold:
            worker().close()
        trips.forget_records(STEP)
        killer = threading.Timer(moments.uniform(0, 1.1 * seconds + (5.0 if cold else 0.0)), _kill)
        killer.start()
        outcomes.append(trips.step(STEP, FEBRUARY).status)
        killer.cancel()
        killer.join()
        made = trips.run(FEBRUARY)  # and January's page, whose record is forgotten, too
        assert ((STEP, FEBRUARY, "made") in made) == (outcomes[-1] == "not drawn"), "the next run draws it"
        assert trips.run(FEBRUARY) == []
        files = trips.records()[STEP, FEBRUARY].files
        assert len(files) == 2
        assert all(file_hash(trips.settings.data / name) == digest for name, digest in files.items())
        assert list((trips.ws.lake.folder / "staging").iterdir()) == []
        assert [one.name for one in trips.settings.reports.rglob(".*")] == [], "nothing half written stays"
    assert set(outcomes) == {"made", "not drawn"}


def _kill() -> None:
    pid = worker().pid
    if pid is not None:
        with suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, 9)
