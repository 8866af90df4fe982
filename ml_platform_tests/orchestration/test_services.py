"""Dagster shows the online store and the service, and notices one that does not follow the promotion log."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.orchestration import services
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving import log_mover, service_state
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.rest.request_model import to_predict_request
from ml_platform.serving.rest.service import Service
from ml_platform.serving.running import announced
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import alerts, ledger, promotions
from ml_platform_tests import scenario
from ml_platform_tests.orchestration.sensor_driver import SensorDriver, sensor_driver_in
from ml_platform_tests.serving.service import json_rows
from ml_platform_tests.world import World

NAME = "trip_delay"
DECISIONS, ALERTS = f"{NAME}_decisions", "ml_platform_alerts"
SERVICE = dg.AssetKey([NAME, "service"])
STORE = dg.AssetKey([NAME, "online_store"])
NOWHERE = "http://127.0.0.1:9"  # the port discard: nothing listens


@pytest.fixture
def trips(tmp_path: Path, february: Path) -> Iterator[SensorDriver]:
    """January and February were trained; nothing was deployed."""
    shutil.copytree(february, tmp_path / "data")
    with sensor_driver_in(tmp_path, "ml_platform_tests.declarations.trips_monthly") as driver:
        yield driver


def deploy(ws: Workspace) -> None:
    with closing(SQLiteStore(ws.settings.online / "store.sqlite")) as store:
        deploy_champion(ws, NAME, store, timedelta(days=365))


def answer(world: World, count: int) -> None:
    """Let the deployed version answer; the log is in the lake then."""
    online = world.settings.online
    with closing(SQLiteStore(online / "store.sqlite")) as store:
        service = Service(world.ws.blobs, store, online / "log", 10_000_000, [NAME])
        service.take_up_changes()
        served = service.served[NAME]
        rows = [{name: value for name, value in row.items() if name != "_score"} for row in json_rows(world, count)]
        service.predict(served, to_predict_request(served.request.validate_json(json.dumps({"rows": rows}))))
        service.stop()
    log_mover.move(world.ws, NAME, online / "log" / NAME)


def looked_at(trips: SensorDriver) -> dict[str, dg.AssetCheckEvaluation]:
    """Both assets materialized; the evaluations of their checks."""
    assets = [one for one in trips.definitions.assets or [] if isinstance(one, dg.AssetsDefinition)]
    chosen = [one for one in assets if one.keys & {SERVICE, STORE}]
    with dg.DagsterInstance.get() as instance:
        result = dg.materialize(chosen, instance=instance, resources=trips.definitions.resources or {})
    assert result.success
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_without_a_service_nothing_is_wrong(trips: SensorDriver) -> None:
    assert {name: one.passed for name, one in looked_at(trips).items()} == dict.fromkeys(
        ("freshness", "version", "health", "parity"), True
    )


def test_a_deployed_version_that_nobody_serves_is_a_warning(trips: SensorDriver) -> None:
    deploy(trips.ws)
    checks = looked_at(trips)
    assert {name: one.passed for name, one in checks.items()} == {
        "freshness": True,
        "version": True,
        "health": False,
        "parity": True,
    }
    assert checks["health"].severity == dg.AssetCheckSeverity.WARN


def test_a_service_that_is_behind_and_not_ready_fails_its_checks(
    trips: SensorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(trips.ws)
    with trips.landing() as world:
        answer(world, 5)
        promotions.rollback(world.ws.state, NAME, why="a test", actor="test")
    monkeypatch.setattr(service_state, "GRACE", timedelta(0))
    with announced(trips.settings, NOWHERE, [NAME]):
        checks = looked_at(trips)
    assert {name for name, one in checks.items() if not one.passed} == {"version", "health"}
    assert "trip_delay@2 answers, and the champion is trip_delay@1" in (checks["version"].description or "")
    assert NOWHERE in (checks["health"].description or "")
    assert "5 answers were computed again" in (checks["parity"].description or "")


def test_a_store_that_does_not_take_up_rows_is_not_fresh(trips: SensorDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(trips.ws)
    with trips.landing() as world:
        later = scenario.traffic_rows("2024-02").with_columns(pl.col("jam") + 1.0)
        world.land("traffic", "traffic_2024-02.csv", later, scenario.SNAPSHOT)
        world.run("2024-02")
    monkeypatch.setattr("ml_platform.steps.service_checks._TIME_TO_FILL", timedelta(0))
    with announced(trips.settings, NOWHERE, [NAME]):
        assert not looked_at(trips)["freshness"].passed
        deploy(trips.ws)
        assert looked_at(trips)["freshness"].passed


def test_the_sensor_tells_once_of_a_service_that_is_behind_and_resolves_it(
    trips: SensorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(trips.ws)
    with announced(trips.settings, NOWHERE, [NAME]):
        trips.tick(DECISIONS)
        assert newest(trips) == "trip_delay@2 answers" and not alerts_of_service(trips)
        promotions.rollback(trips.ws.state, NAME, why="a test", actor="test")
        trips.tick(DECISIONS)
        assert not alerts_of_service(trips), "it may still take it up"
        monkeypatch.setattr(service_state, "GRACE", timedelta(0))
        trips.tick(DECISIONS)
        (behind,) = alerts_of_service(trips)
        assert behind.title == "Service behind: trip_delay@2 answers, and the champion is trip_delay@1"
        trips.restart()
        trips.tick(DECISIONS)
        assert alerts_of_service(trips) == [behind] and behind.is_open
        deploy(trips.ws)
        trips.restart()
        trips.tick(DECISIONS)
        assert newest(trips) == "trip_delay@1 answers"
    assert not [one for one in alerts_of_service(trips) if one.is_open]


def test_a_store_that_cannot_be_read_keeps_no_training_back_and_is_logged(
    trips: SensorDriver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services, "existing_store", lambda settings: 1 / 0)
    trips.tick(DECISIONS)
    assert trips.skipped[DECISIONS] and "ZeroDivisionError" not in trips.skipped[DECISIONS]
    assert f"The service of {NAME} cannot be looked at: division by zero" in caplog.messages


def test_answers_are_compared_by_a_run_that_the_sensor_of_alerts_asks_for_once_an_hour(trips: SensorDriver) -> None:
    assert not trips.tick(ALERTS)
    with trips.landing() as world:
        deploy(world.ws)
        answer(world, 5)
    (request,) = trips.tick(ALERTS)
    assert set(request.asset_selection or ()) == {SERVICE, STORE}
    looked_at(trips)
    assert len(ledger.history(trips.ws.state, f"{NAME}/service")) == 1
    with trips.landing() as world:
        answer(world, 5)
    assert not trips.tick(ALERTS), "the last comparison is not an hour old"


def newest(trips: SensorDriver) -> object:
    """Which version Dagster's newest event of the service names."""
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(SERVICE)
    materialization = event.asset_materialization if event else None
    return materialization.metadata["answers"].value if materialization else None


def alerts_of_service(trips: SensorDriver) -> list[alerts.Alert]:
    return alerts.raised(trips.ws.state, ["service"])
