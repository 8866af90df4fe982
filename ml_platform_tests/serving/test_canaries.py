"""A canary answers its share of the keys, and never costs a client an answer (S58)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from ml_platform.errors import BlobError, CanaryRefused
from ml_platform.features.online.answering import Adjustments
from ml_platform.serving import log_mover
from ml_platform.serving.canary_bounds import CanaryFigures, Timed
from ml_platform.serving.canary_share import CanaryShare
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.deploying_canary import deploy_canary, start_canary
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.canary_metrics import figures_of
from ml_platform.serving.rest.canary_request import CanaryRequest
from ml_platform.serving.rest.canary_watch import CanaryWatch
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.service import Service
from ml_platform.serving.rest.supervisor import Supervisor
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import alerts, canaries, promotions, versions
from ml_platform.state.canaries import Canary
from ml_platform.steps.served_parity import compare_served
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.arrow import ARROW, stream
from ml_platform_tests.serving.canary_versions import many_times, version_with, without_scores
from ml_platform_tests.serving.service import children, json_rows, served, until
from ml_platform_tests.world import World

NAME = "trip_delay"
TRIPS = "ml_platform_tests.declarations.trips_monthly"
PREDICT = f"/v1/pipelines/{NAME}/predict"
YEAR = timedelta(days=365)


@pytest.fixture
def trips(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


def start(world: World, version: int = 1, share: float = 0.5, max_error_share: float = 0.01) -> Canary:
    """The canary from now on; version 1 is the champion before the one of today."""
    gates = world.pipeline.required_gates
    bounds = {"share": share, "max_error_share": max_error_share, "max_latency_ratio": 2.0}
    return start_canary(world.ws, NAME, version, gates, **bounds, reason="a test", actor="test")[0]


@pytest.fixture
def store(trips: World, tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as one:
        deploy_champion(trips.ws, NAME, one, YEAR)
        yield one


def worker(world: World, tmp_path: Path) -> Service:
    one = Service(world.ws.blobs, SQLiteStore(tmp_path / "store.sqlite"), tmp_path / "log", 10**7, [NAME])
    one.take_up_changes()
    return one


def posted(service: Service, address: str, body: bytes, **headers: str) -> httpx.Response:
    app = create_app(service, Access({}), started=lambda: None, filling_faults=dict)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post(address, content=body, headers=headers)

    answer = asyncio.run(post())
    assert answer.status_code == 200, answer.text
    return answer


def as_json(service: Service, rows: Sequence[Mapping[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    answer = posted(service, PREDICT, json.dumps({"rows": rows, **wanted}).encode())
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def without_scores_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "_score"} for row in rows]


def february_rows(world: World) -> pl.DataFrame:
    columns = ", ".join(world.pipeline.row_schema)
    return world.ws.lake.frame(f"SELECT {columns} FROM {NAME}.features WHERE _partition = '2024-02'")


def test_every_form_of_a_request_answers_a_key_by_the_same_version_and_logs_which(
    trips: World, store: SQLiteStore, tmp_path: Path
) -> None:
    start(trips)
    assert deploy_canary(trips.ws, NAME, store, YEAR) is not None
    service, share = worker(trips, tmp_path), CanaryShare(NAME, 1, 0.5)
    frame = february_rows(trips)
    rows = without_scores_of(json_rows(trips, 40))
    streamed = pl.read_ipc_stream(posted(service, PREDICT, stream(frame), **ARROW).content)
    of_stream = posted(service, PREDICT, stream(frame), **ARROW, accept="application/json").json()["predictions"]
    answers = as_json(service, rows) + [answer for row in rows for answer in as_json(service, [row])]
    shown = ("key", "version", "score", "class", "statuses")
    by_key = {answer["key"]: [answer[name] for name in shown] for answer in of_stream}
    assert [one["key"] for one in of_stream] == streamed["key"].to_list() == frame["trip"].cast(pl.String).to_list()
    assert {row["key"]: row["version"] for row in streamed.to_dicts()} == {key: one[1] for key, one in by_key.items()}
    assert {answer["version"] for answer in answers} == {1, 2}
    for answer in (*answers, *of_stream):
        assert answer["version"] == (1 if share.has(answer["key"]) else 2)
        assert [answer[name] for name in shown] == by_key[answer["key"]]
    tensors = [
        {"name": name, "shape": [40], "datatype": kind, "data": [row[name] for row in rows]}
        for name, kind in _datatypes(service).items()
    ]
    body = json.dumps({"inputs": tensors}).encode()
    inferred = posted(service, f"/v2/models/{NAME}/infer", body).json()
    columns = {output["name"]: output["data"] for output in inferred["outputs"]}
    assert columns["version"] == [answer["version"] for answer in answers[:40]] and "model_version" not in inferred
    of_champion = posted(service, f"/v2/models/{NAME}/versions/2/infer", body).json()
    assert of_champion["model_version"] == "2"  # who names a version gets it
    service.stop()
    assert log_mover.move(trips.ws, NAME, tmp_path / "log" / NAME) == 2 * frame.height + 4 * 40
    logged = trips.ws.lake.rows(f"SELECT DISTINCT version, role, shadow FROM {NAME}.served ORDER BY version")
    assert logged == [(1, "canary", False), (2, "champion", False)]
    compared = compare_served(trips.ws, NAME, "")  # by the features and the model of the version that answered
    assert compared.rows == 500 and compared.checks[0].passed


def _datatypes(service: Service) -> dict[str, str]:
    from ml_platform.serving.rest.open_inference import metadata

    described = metadata(service.served[NAME].predictor, NAME)
    return {one["name"]: one["datatype"] for one in described["inputs"]}


def test_the_champion_answers_what_only_the_canary_cannot_and_that_is_counted(
    trips: World, store: SQLiteStore, tmp_path: Path
) -> None:
    number = version_with(trips, without_scores)
    start(trips, number)
    deploy_canary(trips.ws, NAME, store, YEAR)
    service, share = worker(trips, tmp_path), CanaryShare(NAME, number, 0.5)
    rows, frame = without_scores_of(json_rows(trips, 40)), february_rows(trips)
    answers = as_json(service, rows) + as_json(service, rows, contributions=True)
    answers += posted(service, PREDICT, stream(frame), **ARROW, accept="application/json").json()["predictions"]
    assert {answer["version"] for answer in answers} == {2}
    failed = sum(share.has(answer["key"]) for answer in answers)
    page = service.metrics.page().decode()
    assert f'canary_rows_total{{outcome="failed",pipeline="{NAME}",version="{number}"}} {failed:.1f}' in page
    assert 'outcome="answered"' not in page
    early = {**rows[0], "ordered_at": "2001-01-01T00:00:00Z"}
    app = create_app(service, Access({}), started=lambda: None, filling_faults=dict)

    async def post() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return [await client.post(PREDICT, json={"rows": [early | {"trip": trip}]}) for trip in range(20)]

    assert {answer.status_code for answer in asyncio.run(post())} == {422}
    assert f" {failed:.1f}" in service.metrics.page().decode()  # what nobody can answer is not the canary's failure
    service.stop()


def test_a_row_whose_request_changes_a_feature_that_the_canary_lacks_is_the_champions(
    trips: World, store: SQLiteStore, tmp_path: Path
) -> None:
    start(trips)
    deploy_canary(trips.ws, NAME, store, YEAR)
    service = worker(trips, tmp_path)
    row = next(one for one in february_rows(trips).to_dicts() if CanaryShare(NAME, 1, 0.5).has(str(one["trip"])))
    request = CanaryRequest(service.served[NAME].predictor, service.canaries[NAME])
    assert request.answer(row, None).role == "canary"
    assert request.answer(row, Adjustments(max_staleness={"other__status": 5})).role == "champion"
    assert (request.counts.answered, request.counts.failed) == (1, 0)


def test_a_canary_that_a_worker_cannot_load_fails_its_rows_and_the_champion_answers(
    trips: World, store: SQLiteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(trips)
    deploy_canary(trips.ws, NAME, store, YEAR)
    blob = trips.ws.blobs.path(versions.version(trips.ws.state, NAME, 1).bundle)
    blob.rename(blob.with_suffix(".away"))
    service = worker(trips, tmp_path)
    assert {answer["version"] for answer in as_json(service, without_scores_of(json_rows(trips, 20)))} == {2}
    assert 'outcome="failed"' in service.metrics.page().decode() and not service.faults
    assert (
        f"Canary {NAME}@1: It is not loaded in this worker. The log of the service says why. The champion"
        in caplog.text
    )
    service.stop()


def test_a_version_that_may_not_be_promoted_or_whose_bundle_is_damaged_is_no_canary(trips: World) -> None:
    other = version_with(trips, lambda model: model + b"\n")
    gates = {**trips.pipeline.required_gates, "missing": "a gate of tomorrow"}
    bounds = {"share": 0.1, "max_error_share": 0.01, "max_latency_ratio": 2.0}
    with pytest.raises(CanaryRefused, match="there is no verdict on “a gate of tomorrow”"):
        start_canary(trips.ws, NAME, other, gates, **bounds, reason="", actor="test")
    blob = trips.ws.blobs.path(versions.version(trips.ws.state, NAME, other).bundle)
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(BlobError):
        start(trips, other)
    assert canaries.history(trips.ws.state, NAME) == []


@pytest.mark.parametrize("change", ["stop", "rollback", "promotion"])
def test_a_canary_ends_when_it_is_stopped_and_when_the_champion_changes(trips: World, change: str) -> None:
    state, reported = trips.ws.state, list[str]()
    other = version_with(trips, lambda model: model + b"\n")
    start(trips, other)
    with Supervisor(trips.ws, [NAME], Listener("127.0.0.1", 0, None, has_keys=False), 0, reported.append) as supervisor:
        store = supervisor._store
        layouts = store.fillings().keys()
        assert store.deployments("canary")[NAME].version == other
        if change == "stop":
            canaries.stop(state, NAME, reason="a test", actor="test")
        elif change == "rollback":
            promotions.rollback(state, NAME, why="a test", actor="test")
        else:
            gates = trips.pipeline.required_gates
            promotions.promote(state, NAME, other, gates, partition="", reason="", actor="test", by_hand=True)
        until(lambda: bool(store.deployments("canary")[NAME].terms.ended))  # by the watch, whatever is filled
        supervisor.run_once()
        supervisor.settle()
        assert not store.deployments("canary") and store.fillings().keys() <= layouts
        expected = {"stop": 2, "rollback": 1, "promotion": other}[change]
        assert store.deployments()[NAME].version == expected
    assert f"{NAME}@{other} is no canary any more." in reported
    assert canaries.standing(state, NAME) is None and not alerts.open_alerts(state, ["canary"])


def test_a_canary_answers_beside_no_other_champion_than_its_own(
    trips: World, store: SQLiteStore, tmp_path: Path
) -> None:
    start(trips, version_with(trips, lambda model: model + b"\n"))
    deploy_canary(trips.ws, NAME, store, YEAR)
    promotions.rollback(trips.ws.state, NAME, why="a test", actor="test")
    deploy_champion(trips.ws, NAME, store, YEAR)
    service = worker(trips, tmp_path)  # which comes before the watch
    assert {answer["version"] for answer in as_json(service, without_scores_of(json_rows(trips, 20)))} == {1}
    service.stop()


def test_a_kill_between_the_take_back_and_its_record_loses_neither(
    trips: World, store: SQLiteStore, tmp_path: Path
) -> None:
    entry = start(trips)
    deployment = deploy_canary(trips.ws, NAME, store, YEAR)
    assert deployment is not None and deployment.terms is not None
    ended = replace(deployment, terms=replace(deployment.terms, ended="it failed", evidence='{"failed": 9}'))
    store.deploy(ended)  # and then the supervisor was killed
    assert deploy_canary(trips.ws, NAME, store, YEAR) == ended  # the next one does not let it answer again
    reported = list[str]()
    watch = CanaryWatch(trips.ws.state, store, [NAME], tmp_path, reported.append)
    for _ in range(2):
        watch.look()
    log = canaries.history(trips.ws.state, NAME)
    assert [(one.action, one.evidence) for one in log] == [("started", ""), ("taken_back", '{"failed": 9}')]
    (alert,) = alerts.open_alerts(trips.ws.state, ["canary"])
    assert alert.title == f"The canary {NAME}@{entry.version} was taken back: it failed."
    assert deploy_canary(trips.ws, NAME, store, YEAR) == ended and not worker(trips, tmp_path).canaries
    again = start(trips)  # a person decides to try again
    deployed = deploy_canary(trips.ws, NAME, store, YEAR)
    assert deployed is not None and deployed.terms is not None and deployed.terms.entry == again.seq
    assert not alerts.open_alerts(trips.ws.state, ["canary"])


def test_what_a_worker_counted_is_there_after_its_kill_and_counts_for_its_canary_alone(tmp_path: Path) -> None:
    program = f"""
from ml_platform.serving.rest import metrics_folder
metrics_folder.use({str(tmp_path)!r})
import os, signal
from ml_platform.serving.rest.canary_metrics import CanaryMetrics
from ml_platform.serving.rest.canary_request import CanaryCounts
from prometheus_client import CollectorRegistry
metrics = CanaryMetrics(CollectorRegistry())
metrics.count("delays", 3, CanaryCounts(2, 5, [0.5, 20.0], [0.25]))
metrics.count("delays", 4, CanaryCounts(7, 0, [1.0], [1.0]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for _ in range(2):  # two workers
        ended = subprocess.run([sys.executable, "-c", program], check=False, env=environment)
        assert ended.returncode == -signal.SIGKILL
    canary, champion = Timed(4, 41.0, 2 * (0.25 + 400.0)), Timed(2, 0.5, 0.125)
    assert figures_of(tmp_path, "delays", 3) == CanaryFigures(4, 10, canary, champion)
    assert figures_of(tmp_path, "other", 3) == CanaryFigures()


@pytest.mark.slow  # it starts a service
def test_a_failing_canary_is_taken_back_from_all_workers_also_if_one_is_killed(trips: World) -> None:
    number = version_with(trips, without_scores)
    start(trips, number, max_error_share=0.05)
    rows, data = without_scores_of(json_rows(trips, 40)), trips.settings.data
    own = [row for row in rows if CanaryShare(NAME, number, 0.5).has(str(row["trip"]))]
    trips.close()
    with served(data, TRIPS, "--workers", "2") as (url, process):
        until(lambda: all((_canary(url) or {}).get("share") == 0.5 for _ in range(20)))
        for row in own[:3]:  # fewer than the bound
            assert httpx.post(url + PREDICT, json={"rows": [row]}).json()["predictions"][0]["version"] == 2
        os.kill(children(process.pid)[0], signal.SIGKILL)  # what it counted is not lost
        answers = [_answered(url, own[number % len(own)]) for number in range(30)]
        # Each request is a connection of its own, which either worker may take.
        until(lambda: all(_canary(url)["taken_back"] for _ in range(20)))
        answers += [_answered(url, row) for row in own]
        shown = _canary(url)
        page = httpx.get(f"{url}/metrics").text
    assert set(answers) == {2}
    assert "rows; its bound is 5 %" in shown["taken_back"] and shown["share"] == 0
    assert f'ml_platform_canary_taken_back{{pipeline="{NAME}",version="{number}"}} 1.0' in page
    assert f'ml_platform_canary_share{{pipeline="{NAME}",version="{number}"}} 0.0' in page
    trips.declare()
    log = canaries.history(trips.ws.state, NAME)
    assert [entry.action for entry in log] == ["started", "taken_back"] and log[1].actor == "service"
    assert json.loads(log[1].evidence)["failed"] > 5
    assert len(alerts.open_alerts(trips.ws.state, ["canary"])) == 1


def _canary(url: str) -> Mapping[str, Any]:
    """What a worker, whichever takes the request, says of the canary."""
    shown: Mapping[str, Any] = httpx.get(f"{url}/v1/pipelines/{NAME}/model").json()["canary"]
    return shown


def _answered(url: str, row: Mapping[str, Any]) -> int:
    """The version that answers a row, whichever worker takes it; a connection may end with a killed worker."""
    while True:
        try:
            answer = httpx.post(url + PREDICT, json={"rows": [row]}, timeout=30)
        except httpx.TransportError:
            continue
        assert answer.status_code == 200, answer.text
        version: int = answer.json()["predictions"][0]["version"]
        return version


@pytest.mark.slow
def test_a_slow_canary_is_taken_back_by_what_it_costs_beside_the_champion(trips: World) -> None:
    number = version_with(trips, many_times)
    start(trips, number)
    rows, data = without_scores_of(json_rows(trips, 200)), trips.settings.data
    trips.close()
    with served(data, TRIPS) as (url, _):
        until(lambda: all((_canary(url) or {}).get("share") == 0.5 for _ in range(20)))
        asked = 0
        while not _canary(url)["taken_back"]:
            answer = httpx.post(url + PREDICT, json={"rows": rows}, timeout=60)
            assert answer.status_code == 200
            asked += len(rows)
            assert asked < 20_000
    trips.declare()
    entry = canaries.history(trips.ws.state, NAME)[-1]
    assert entry.action == "taken_back" and "its bound is 2 times as much" in entry.reason
