"""A challenger answers the same requests for the log alone: no client hears it or waits for it (S28)."""

import io
import json
import pickle
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import polars as pl
import pytest

from ml_platform.serving.deploying import deploy_challenger, deploy_champion
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.service import Service
from ml_platform.serving.rest.shadow_requests import ShadowRequest
from ml_platform.serving.rest.shadow_worker import ShadowAnswers
from ml_platform.serving.rest.shadows import MOST_ROWS, Shadows
from ml_platform.serving.rest.supervisor import Supervisor
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import challenges, promotions, versions
from ml_platform.steps.served_parity import compare_served
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows, served, until
from ml_platform_tests.world import World

TRIPS = "ml_platform_tests.declarations.trips_monthly"
SOON = "import sys; from multiprocessing.connection import Connection; c = Connection(int(sys.argv[1])); "


@pytest.fixture
def trips(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


def start(world: World) -> tuple[int, int]:
    """The champion, and its challenger from now on: the one that the batch of February answered with."""
    name = world.pipeline.name
    january = promotions.history(world.ws.state, name)[0].version
    champion = promotions.champion_at(world.ws.state, name)
    assert january is not None and champion is not None and january != champion
    challenges.start(world.ws.state, name, january, reason="a test", actor="test")
    return champion, january


def test_the_same_requests_are_answered_by_the_challenger_for_the_log_alone(trips: World) -> None:
    champion, challenger = start(trips)
    rows = json_rows(trips, 30)
    scores = {row["trip"]: row.pop("_score") for row in rows}
    data, name = trips.settings.data, trips.pipeline.name
    schema = {**trips.pipeline.row_schema}
    frame = pl.DataFrame(
        [
            {key: _moment(value) if schema[key].is_temporal() else value for key, value in row.items()}
            for row in rows[20:]
        ],
        schema=schema,
    )
    stream = io.BytesIO()
    frame.write_ipc_stream(stream)
    trips.close()
    with served(data, TRIPS) as (url, _):
        asked = f"{url}/v1/pipelines/{name}"
        until(lambda: httpx.get(f"{asked}/model").json()["challenger"] == challenger)
        answers = []
        for some in (rows[:1], rows[1:20]):
            answers += httpx.post(f"{asked}/predict", json={"rows": some}, timeout=30).json()["predictions"]
        response = httpx.post(
            f"{asked}/predict",
            content=stream.getvalue(),
            headers={"content-type": "application/vnd.apache.arrow.stream", "accept": "application/json"},
            timeout=30,
        )
        answers += response.json()["predictions"]
        labels = f'outcome="answered",pipeline="{name}",version="{challenger}"'
        count = f"ml_platform_shadow_predictions_total{{{labels}}} 30.0"
        until(lambda: count in httpx.get(f"{url}/metrics").text)
        page = httpx.get(f"{url}/metrics").text
    assert {answer["version"] for answer in answers} == {champion}
    assert f'ml_platform_predictions_total{{pipeline="{name}",version="{champion}"}} 30.0' in page
    assert f'ml_platform_predictions_total{{pipeline="{name}",version="{challenger}"}}' not in page
    trips.declare()
    logged = trips.ws.lake.rows(f"SELECT id, key, version, role, shadow, score FROM {name}.served")
    heard = [(one["id"], one["key"], champion, "champion", False, one["score"]) for one in answers]
    shadows = [(one["id"], one["key"], challenger, "challenger", True, scores[int(one["key"])]) for one in answers]
    assert sorted(logged) == sorted(heard + shadows)
    compared = compare_served(trips.ws, name, "")
    assert compared.rows == 30 and compared.checks[0].passed  # those that were heard


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def test_a_challenger_that_cannot_be_loaded_is_reported_and_the_champion_answers(trips: World) -> None:
    champion, challenger = start(trips)
    name, reported = trips.pipeline.name, list[str]()
    blob = trips.ws.blobs.path(versions.version(trips.ws.state, name, challenger).bundle)
    blob.rename(blob.with_suffix(".away"))
    with Supervisor(trips.ws, [name], Listener("127.0.0.1", 0, None, has_keys=False), 0, reported.append) as supervisor:
        store = supervisor._store
        supervisor.run_once()
        supervisor.settle()
        assert store.deployments()[name].version == champion and not store.deployments("challenger")
        assert filling_faults.read(trips.settings.online) == {}  # /readyz says 200
        assert sum(line.startswith(f"challenger of {name}: ") for line in reported) == 1
        blob.with_suffix(".away").rename(blob)
        supervisor.run_once()
        supervisor.settle()
        assert store.deployments("challenger")[name].version == challenger
        layouts = store.fillings().keys()
        challenges.stop(trips.ws.state, name, reason="a test", actor="test")
        supervisor.run_once()
        supervisor.settle()
        assert not store.deployments("challenger") and store.fillings().keys() <= layouts
    assert reported[-1] == f"{name} has no challenger now."


def test_the_promotion_of_the_challenger_lets_it_answer_and_shadow_no_more(trips: World, tmp_path: Path) -> None:
    _, challenger = start(trips)
    name, year = trips.pipeline.name, timedelta(days=365)
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        deploy_champion(trips.ws, name, store, year)
        deployed = deploy_challenger(trips.ws, name, store, year)
        assert deployed is not None and deployed == deploy_challenger(trips.ws, name, store, year)
        worker = Service(trips.ws.blobs, SQLiteStore(tmp_path / "store.sqlite"), tmp_path / "log", 10**6, [name])
        worker.take_up_changes()
        assert worker.challengers == {name: deployed}
        promotions.rollback(trips.ws.state, name, why="a test", actor="test")  # to the challenger
        deploy_champion(trips.ws, name, store, year)
        assert deploy_challenger(trips.ws, name, store, year) is None
        worker.take_up_changes()
        assert worker.served[name].deployment.version == challenger and not worker.challengers


def test_rows_that_a_challenger_cannot_answer_are_counted_and_the_others_are_logged(
    trips: World, tmp_path: Path
) -> None:
    _, challenger = start(trips)
    name = trips.pipeline.name
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        deploy_champion(trips.ws, name, store, None)
        deployment = deploy_challenger(trips.ws, name, store, None)
        assert deployment is not None
        answers = ShadowAnswers(trips.ws.blobs, store, tmp_path / "log", 10**6)
        (row,) = json_rows(trips, 1)
        example = {key: row[key] for key in trips.pipeline.row_schema}
        example = {
            key: datetime.fromisoformat(value) if trips.pipeline.row_schema[key].is_temporal() else value
            for key, value in example.items()
        }
        request = ShadowRequest(deployment, datetime.now(UTC), ["a", "b"], [{}, example], [None, None])
        outcome = answers.answer(pickle.loads(pickle.dumps(request)))  # as a worker sends it
        answers.seal()
        (segment,) = (tmp_path / "log" / name).glob("*.jsonl")
        (record,) = map(json.loads, segment.read_text().splitlines())
        small = ShadowAnswers(trips.ws.blobs, store, tmp_path / "log", 2 * segment.stat().st_size)
        assert small.answer(request).failed == 2  # the other half of the budget is for champions
    assert (outcome.answered, outcome.failed) == (1, 1)
    assert (record["id"], record["score"], record["version"]) == ("b", row["_score"], challenger)


def test_what_has_no_room_in_the_queue_is_dropped_and_counted_and_nobody_waits() -> None:
    metrics = Metrics()
    shadows = Shadows(metrics, [sys.executable, "-c", f"{SOON}c.recv(); print(c.recv())"], drain=0.0)
    rows = [{}] * (MOST_ROWS // 2)
    deployment = Deployment("trip_delay", 3, "digest", datetime.now(UTC), "challenger")
    request = ShadowRequest(deployment, datetime.now(UTC), ["a"] * len(rows), rows, [None] * len(rows))
    for _ in range(100):  # the process reads one of them and never answers
        shadows.offer(request)
    shadows.stop()
    page = metrics.page().decode()
    counts = {
        outcome: float(line.split()[-1])
        for line in page.splitlines()
        for outcome in ("answered", "dropped", "failed")
        if line.startswith(f'ml_platform_shadow_predictions_total{{outcome="{outcome}"')
    }
    assert counts["dropped"] >= 90 * len(rows) and sum(counts.values()) == 100 * len(rows)


def test_a_process_that_ends_is_started_again() -> None:
    metrics = Metrics()
    program = (
        "from ml_platform.serving.rest.shadow_requests import ShadowOutcome; import os, pathlib; "
        f"{SOON}c.recv(); p = pathlib.Path(sys.argv[0]); c.send([ShadowOutcome(1, 0)]); sys.exit(1)"
    )
    shadows = Shadows(metrics, [sys.executable, "-c", program])
    deployment = Deployment("trip_delay", 3, "digest", datetime.now(UTC), "challenger")
    request = ShadowRequest(deployment, datetime.now(UTC), ["a"], [{}], [None])
    try:
        for count in (1, 2):
            until(partial(_asked_again, shadows, request, metrics, count))
    finally:
        shadows.stop()


def _asked_again(shadows: Shadows, request: ShadowRequest, metrics: Metrics, count: int) -> bool:
    if not shadows._waiting:
        shadows.offer(request)
    answered = 'ml_platform_shadow_predictions_total{outcome="answered",pipeline="trip_delay",version="3"}'
    return f"{answered} {count}.0" in metrics.page().decode()
