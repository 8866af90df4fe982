"""What a worker serves and its supervisor survives: new deployments, faults that pass, pipelines of others."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ml_platform.features.online.filling import online_values
from ml_platform.models import bundle as bundles
from ml_platform.serving import filling as filling_module
from ml_platform.serving.deploying import deploy_champion, deploy_filled_champion
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.events.taking import EventTaker
from ml_platform.serving.filling_predictions import fill_predictions
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, Filling
from ml_platform.serving.rest import filler as filler_module
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.service import Service
from ml_platform.serving.rest.supervisor import Supervisor
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.serving.stored_predictions import stored_prediction
from ml_platform.state import promotions
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import until
from ml_platform_tests.world import World

BUDGET = 1_000_000  # bytes


@pytest.fixture
def trips(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


def deployed(world: World, folder: Path) -> tuple[SQLiteStore, Deployment]:
    """A store with the champion, and its deployment."""
    store = SQLiteStore(folder / "store.sqlite")
    deployment = deploy_champion(world.ws, world.pipeline.name, store, None)
    assert deployment is not None
    return store, deployment


def service(world: World, folder: Path, *pipelines: str) -> Service:
    """A worker's service, with a connection of its own."""
    return Service(world.ws.blobs, SQLiteStore(folder / "store.sqlite"), folder / "log", BUDGET, pipelines)


def test_a_deployment_right_after_the_start_is_served(trips: World, tmp_path: Path) -> None:
    name = trips.pipeline.name
    with closing(deployed(trips, tmp_path)[0]) as store:
        worker = service(trips, tmp_path, name)
        worker.start()
        first = worker.served[name].deployment.version
        rollback = promotions.rollback(trips.ws.state, name, why="a test", actor="test")
        deploy_champion(trips.ws, name, store, timedelta(days=365))
        until(lambda: worker.served[name].deployment.version == rollback.version != first)
        worker.stop()


def test_a_version_is_warm_before_it_answers_and_answers_although_its_model_refuses_a_row_of_nulls(
    trips: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = trips.pipeline.name
    warmed: list[int] = []

    def warm_up(predictor: OnlinePredictor) -> None:
        assert worker.served == {}
        warmed.append(predictor.version)
        raise ValueError("Input contains NaN.")

    with closing(deployed(trips, tmp_path)[0]):
        monkeypatch.setattr(OnlinePredictor, "warm_up", warm_up)
        worker = service(trips, tmp_path, name)
        worker.take_up_changes()
    assert warmed == [worker.served[name].deployment.version] and not worker.faults


def test_a_fault_of_one_pipeline_stops_no_other_one_and_passes_without_a_change_of_the_store(
    trips: World, tmp_path: Path
) -> None:
    name = trips.pipeline.name
    store, deployment = deployed(trips, tmp_path)
    broken = dataclasses.replace(bundles.load(trips.ws.blobs, deployment.bundle), definition='{"format": 1}')
    with closing(store):
        store.deploy(Deployment("broken", 1, bundles.save(trips.ws.blobs, broken), datetime.now(UTC)))
        blob = trips.ws.blobs.path(deployment.bundle)
        blob.rename(blob.with_suffix(".away"))
        worker = service(trips, tmp_path, "broken", name)
        worker.take_up_changes()
        assert set(worker.faults) == {"broken", name} and not worker.served
        assert "Version 1 cannot be loaded" in worker.faults["broken"]  # a KeyError, which the platform does not raise
        blob.with_suffix(".away").rename(blob)
        worker.take_up_changes()
    assert (set(worker.served), set(worker.faults)) == ({name}, {"broken"})


def test_a_worker_serves_only_the_pipelines_that_it_was_started_for(trips: World, tmp_path: Path) -> None:
    with closing(deployed(trips, tmp_path)[0]):
        worker = service(trips, tmp_path, "other")
        worker.take_up_changes()
    assert not worker.served and not worker.faults


def test_an_error_of_any_library_is_reported_once_and_leaves_the_supervisor_running(trips: World) -> None:
    name = trips.pipeline.name
    (logs_folder(trips.settings.online) / name / "1.jsonl").mkdir(parents=True)  # no file: Python's own error
    reported: list[str] = []
    with Supervisor(trips.ws, [name], Listener("127.0.0.1", 0, None, has_keys=False), 0, reported.append) as supervisor:
        supervisor.run_once()
        supervisor.settle()
    assert sum(line.startswith(f"log of {name}: IsADirectoryError") for line in reported) == 1
    assert filling_faults.read(trips.settings.online) == {}  # the champion answers all the same


def test_a_table_whose_events_cannot_land_keeps_those_of_no_other_from_landing(trips: World) -> None:
    name, settings, traffic = trips.pipeline.name, trips.settings, tables_with_events(trips.pipeline)["traffic"]
    at = datetime(2024, 2, 20, tzinfo=UTC)
    reported: list[str] = []
    listener = Listener("127.0.0.1", 0, None, has_keys=False)
    settings.events.mkdir(parents=True, exist_ok=True)
    (settings.events / "broken.sqlite").write_text("no database, whatever it is called" * 100)
    with (
        Supervisor(trips.ws, [name], listener, 0, reported.append, {name: trips.pipeline}) as supervisor,
        EventTaker(traffic, settings.events, supervisor._store, BUDGET) as taker,
    ):
        supervisor.run_once()  # fills the table
        supervisor.settle()
        taker.take([{"zone": "a", "observed_at": at, "published_at": at, "jam": 0.5}])
    assert len(list(settings.landing.glob("_events/traffic/*.parquet"))) == 1
    assert sum(line.startswith("events of broken: ") for line in reported) == 1


def test_stored_predictions_that_cannot_be_filled_are_tried_again_and_the_champion_answers_meanwhile(
    trips: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, tries = trips.pipeline.name, []

    def full_at_first(*arguments: Any) -> Filling:
        tries.append(arguments)
        if len(tries) <= 2:
            raise OSError("no space left on device")
        return fill_predictions(*arguments)

    monkeypatch.setattr(filler_module, "fill_predictions", full_at_first)
    reported: list[str] = []
    with Supervisor(trips.ws, [name], Listener("127.0.0.1", 0, None, has_keys=False), 0, reported.append) as supervisor:
        for _ in range(4):
            supervisor.run_once()
            supervisor.settle()
        assert supervisor._store.deployments().keys() == {name}
        assert stored_prediction(supervisor._store, name, newest_key(trips)) is not None
    assert sum("no space left" in line for line in reported) == 1
    assert len(tries) == 3  # then there is nothing to do


def newest_key(world: World) -> str:
    return str(world.ws.lake.value(f'SELECT key FROM {world.pipeline.name}.predictions ORDER BY "at" DESC LIMIT 1'))


def test_a_long_filling_delays_neither_a_promotion_nor_another_worker(
    trips: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, state = trips.pipeline.name, trips.ws.state
    begun, released = Event(), Event()

    def slow(*arguments: Any) -> Iterator[tuple[bytes, bytes]]:
        begun.set()
        assert released.wait(60)
        yield from online_values(*arguments)

    reported: list[str] = []
    with Supervisor(trips.ws, [name], Listener("127.0.0.1", 0, None, has_keys=False), 1, reported.append) as supervisor:
        until(lambda: after_a_round(supervisor).listens)
        supervisor.settle()
        store, champion = supervisor._store, supervisor._store.deployments()[name].version
        layouts = {fingerprint: one.record_number for fingerprint, one in store.fillings().items()}
        monkeypatch.setattr(filling_module, "online_values", slow)
        trips.step("raw/traffic", "all")
        trips.step("validated/traffic", "2024-03")
        supervisor.run_once()
        assert begun.wait(60)
        (worker,) = supervisor._workers.pids
        os.kill(worker, signal.SIGKILL)
        rollback = promotions.rollback(state, name, why="a test", actor="test")
        until(lambda: after_a_round(supervisor)._workers.pids not in ([worker], []))
        assert store.deployments()[name].version == rollback.version != champion
        assert {fingerprint: one.record_number for fingerprint, one in store.fillings().items()} == layouts
        released.set()
        supervisor.settle()
        assert store.deployments()[name].version == rollback.version
        assert {fingerprint: one.record_number for fingerprint, one in store.fillings().items()} != layouts
    assert [line for line in reported if line.endswith("answers.")] == [
        f"{name}@{champion} answers.",
        f"{name}@{rollback.version} answers.",
    ]


def test_a_champion_answers_without_a_filling_only_where_all_that_it_needs_is_filled(
    trips: World, tmp_path: Path
) -> None:
    name, (store, first) = trips.pipeline.name, deployed(trips, tmp_path)
    with closing(store):
        assert deploy_filled_champion(trips.ws, name, store) is None  # it answers already
        rollback = promotions.rollback(trips.ws.state, name, why="a test", actor="test")
        fingerprint, filling = next(iter(store.fillings().items()))
        store.forget(fingerprint)
        assert deploy_filled_champion(trips.ws, name, store) is None
        assert store.deployments()[name] == first
        store.fill(fingerprint, (), filling)
        answering = deploy_filled_champion(trips.ws, name, store)
        assert answering is not None and store.deployments()[name] == answering
        assert answering.version == rollback.version != first.version


def test_a_service_that_stops_ends_the_filling_that_is_under_way(trips: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name, begun, reported = trips.pipeline.name, Event(), list[str]()

    def endless(connection: Any, *_: Any) -> Iterator[tuple[bytes, bytes]]:
        begun.set()
        connection.execute("SELECT sum(hash(a.range) % 7) FROM range(10000000) a, range(10000000) b").fetchall()
        yield b"", b""

    with Supervisor(trips.ws, [name], Listener("127.0.0.1", 0, None, has_keys=False), 0, reported.append) as supervisor:
        monkeypatch.setattr(filling_module, "online_values", endless)
        trips.step("raw/traffic", "all")
        trips.step("validated/traffic", "2024-03")
        supervisor.run_once()
        assert begun.wait(60)
    assert reported == [f"{name}@{champion_of(trips)} answers."]  # an interrupted filling is no fault


def test_a_service_says_what_answers_also_where_it_was_deployed_before(trips: World) -> None:
    name, listener = trips.pipeline.name, Listener("127.0.0.1", 0, None, has_keys=False)
    for _ in ("the first start", "a restart"):
        reported: list[str] = []
        with Supervisor(trips.ws, [name], listener, 0, reported.append):
            pass
        assert reported == [f"{name}@{champion_of(trips)} answers."]


def after_a_round(supervisor: Supervisor) -> Supervisor:
    supervisor.run_once()
    return supervisor


def champion_of(world: World) -> int:
    champion = promotions.champion_at(world.ws.state, world.pipeline.name)
    assert champion is not None
    return champion
