"""An examination tells what serving has not moved or landed, and services that are behind their log."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.serving import service_state as service_state_module
from ml_platform.serving.events import groups
from ml_platform.serving.events.database import EventDatabase
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.running import announced
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.health_finding import Finding
from ml_platform.views.serving_health import services_behind, serving_findings
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

TRIPS = scenario.trips()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


def findings(settings: Settings, *pipelines: ModelPipeline) -> list[Finding]:
    return list(serving_findings(settings, pipelines))


def segment(settings: Settings, name: str, minutes: float) -> Path:
    """A segment of trips' log that was written to so long ago."""
    file = settings.online / "log" / TRIPS.name / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"id": "a"}\n')
    moment = time.time() - minutes * 60
    os.utime(file, (moment, moment))
    return file


def test_where_nothing_was_served_there_is_nothing_to_say(settings: Settings) -> None:
    assert findings(settings, TRIPS) == []


def test_answers_that_are_not_in_the_lake_are_told_with_what_moves_them(settings: Settings) -> None:
    segment(settings, "1.jsonl", 1)
    assert findings(settings, TRIPS) == [], "a service moves them every ten seconds"
    segment(settings, "2.jsonl", 60)
    (finding,) = findings(settings, TRIPS)
    assert (finding.name, finding.state) == ("prediction log", "warn")
    assert "2 segments of trip_delay (24 bytes)" in finding.detail and "for 60 minutes" in finding.detail
    assert finding.remedy == "`ml-platform serve trip_delay` moves them when it starts."
    with announced(settings, "http://127.0.0.1:8000", [TRIPS.name]):
        (finding,) = findings(settings)  # of no declared pipeline, too
        assert "The service tries it" in finding.remedy


def test_segments_that_were_set_aside_are_told(settings: Settings) -> None:
    file = segment(settings, "1.damaged", 0)
    (finding,) = findings(settings, TRIPS)
    assert (finding.state, str(file.parent) in finding.remedy) == ("bad", True)
    assert finding.detail == "1 segment of trip_delay could not be read and was set aside"


@pytest.fixture
def trips_events(settings: Settings) -> Iterator[EventDatabase]:
    """The file of the events of trips, in which a group of two rows was begun ten minutes ago."""
    table = EventTable(TRIPS.table("trips"), None)
    settings.events.mkdir(parents=True)
    with closing(EventDatabase(settings.events / "trips.sqlite")) as database:
        with database.writing():
            group = groups.group_of_its_own(database, table, "", 1, time.time() - 600)
            database.execute("UPDATE groups SET rows = 2 WHERE number = ?", [group.number])
        yield database


def test_events_that_have_not_landed_are_told_also_of_undeclared_tables(
    settings: Settings, trips_events: EventDatabase
) -> None:
    (finding,) = findings(settings, TRIPS)
    assert (finding.name, finding.state) == ("posted events", "warn")
    assert finding.detail == "2 events of trips have not landed, the oldest for 10 minutes"
    (finding,) = findings(settings)
    assert finding.detail == "2 events of trips have not landed, and no pipeline that loads declares trips"
    trips_events.execute("UPDATE groups SET status = 'landed'")
    assert findings(settings, TRIPS) == []


def test_what_a_running_service_cannot_fill_is_told(settings: Settings) -> None:
    filling_faults.write(settings.online, {TRIPS.name: "The blob is missing."})
    assert findings(settings, TRIPS) == [], "no service runs: the next one looks again"
    with announced(settings, "http://127.0.0.1:8000", [TRIPS.name]):
        (finding,) = findings(settings, TRIPS)
    assert (finding.state, finding.detail) == ("bad", "trip_delay cannot be filled: The blob is missing.")


def test_a_running_service_that_is_behind_the_log_is_told(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_state_module, "GRACE", timedelta(0))
    world: World = open_world(january)
    name = world.pipeline.name

    def behind() -> list[Finding]:
        return list(services_behind(world.ws, [world.pipeline]))

    assert behind() == []
    with closing(open_store(world.ws.settings)) as store:
        store.deploy(Deployment(name, 7, "b" * 64, datetime.now(UTC)))
    assert behind() == [], "no service runs"
    with announced(world.ws.settings, "http://127.0.0.1:8000", [name]):
        (finding,) = behind()
        assert (finding.name, finding.state) == ("service", "bad")
        assert "trip_delay@7 answers at http://127.0.0.1:8000, and the log names trip_delay@" in finding.detail
        with closing(open_store(world.ws.settings)) as store:
            champion = service_state_module.service_state(world.ws, name, store).promotion
            assert champion is not None
            store.deploy(Deployment(name, champion.version, "b" * 64, datetime.now(UTC)))
        (finding,) = behind()
        assert finding.state == "ok"
