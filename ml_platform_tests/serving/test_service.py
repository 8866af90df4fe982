"""The service over HTTP, as its own processes: answers, refusals, promotions, kills."""

import math
import os
import select
import signal
import socket
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from ml_platform.models import bundle as bundles
from ml_platform.serving.rest.answers import InvalidRequest, OnlinePredictions, Refusal, ServedModel, StoredPrediction
from ml_platform.spec.contract_rules import contract_rules
from ml_platform.state import promotions, versions
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import children, json_rows, ready, served, until
from ml_platform_tests.world import World

JSON = {"content-type": "application/json"}
TRIPS = "ml_platform_tests.declarations.trips_monthly"


@pytest.fixture
def trips(open_world: OpenWorld, february: Path) -> World:
    return open_world(february)


def rollback(world: World) -> promotions.Promotion:
    return promotions.rollback(world.ws.state, world.pipeline.name, why="a test", actor="test")


def test_a_champion_answers_as_the_batch_does_and_each_answer_is_in_the_lake_once(trips: World) -> None:
    rows = json_rows(trips, 40)
    scores = [row.pop("_score") for row in rows]
    data, name = trips.settings.data, trips.pipeline.name
    january = promotions.history(trips.ws.state, name)[0].version
    assert january is not None
    rollback(trips)
    trips.close()
    answers = []
    with served(data, TRIPS) as (url, _):
        predict = f"{url}/v1/pipelines/{name}/predict"
        for some in (rows[:1], rows[1:3], rows[3:]):
            response = httpx.post(predict, json={"rows": some}, timeout=30)
            assert response.status_code == 200, response.text
            OnlinePredictions.model_validate(response.json())
            answers += response.json()["predictions"]
        described = httpx.get(f"{url}/v1/pipelines/{name}/model").json()
        stored = [httpx.get(f"{url}/v1/pipelines/{name}/predictions/{answer['key']}").json() for answer in answers[:3]]
        absent = httpx.get(f"{url}/v1/pipelines/{name}/predictions/a/b")
        page = httpx.get(f"{url}/metrics").text
        document = httpx.get(f"{url}/openapi.json").json()
        pages = {path: httpx.get(f"{url}{path}") for path in ("/", "/docs", f"/v1/pipelines/{name}/card")}
    assert [answer["score"] for answer in answers] == scores
    for model, answer in ((ServedModel, described), (StoredPrediction, stored[0]), (Refusal, absent.json())):
        model.model_validate(answer)  # as the description of the service says
    assert any(answer["ages"].keys() == {"traffic__status"} for answer in answers)
    assert [(one["key"], one["score"]) for one in stored] == [(one["key"], one["score"]) for one in answers[:3]]
    assert all(one["age_seconds"] > 0 for one in stored) and absent.status_code == 404
    assert {answer["version"] for answer in answers} == {january} == {described["version"]}
    assert f'ml_platform_predictions_total{{pipeline="{name}",version="{january}"}} 40.0' in page
    fields = document["components"]["schemas"][f"{name}_Row"]["properties"]
    assert set(trips.pipeline.row_schema) == set(fields)
    contract = trips.pipeline.table(trips.pipeline.examples.table).contract
    assert {column: field["x-contract"] for column, field in fields.items()} == contract_rules(contract, fields)
    assert described["promotion"]["why"] == "a test" and described["metrics"] and described["lineage"]["tables"]
    assert all(table["is_newest"] for table in described["data"])
    for path, expected in (
        ("/", f"<b>{name}@{january}</b>"),
        ("/docs", f"predict_{name}"),
        (f"/v1/pipelines/{name}/card", "<h2"),
    ):
        assert expected in pages[path].text and "<script" not in pages[path].text
        assert pages[path].headers["content-security-policy"].startswith("default-src 'none'")
    assert "rolled back by test" in pages["/"].text and "3 answered" in pages["/"].text
    trips.declare()
    logged = trips.ws.lake.rows(f"SELECT id, score, version FROM {name}.served ORDER BY id")
    assert logged == sorted((answer["id"], answer["score"], january) for answer in answers)


def test_a_champion_whose_declaration_broke_answers_as_before(trips: World) -> None:
    (row,) = json_rows(trips, 1)
    score = row.pop("_score")
    data, name = trips.settings.data, trips.pipeline.name
    rollback(trips)  # to the version that scored the batch
    trips.close()
    (data / "broken_trips.py").write_text(f"{name} = ModelPipelin()  # ModelPipeline({name!r})\n")
    with served(data, "broken_trips") as (url, _):
        response = httpx.post(f"{url}/v1/pipelines/{name}/predict", json={"rows": [row]}, timeout=30)
    assert response.json()["predictions"][0]["score"] == score


def test_what_is_wrong_with_a_request_is_said_by_field_and_never_a_trace(trips: World) -> None:
    (row,) = json_rows(trips, 1)
    row.pop("_score")
    name, at = trips.pipeline.name, trips.pipeline.examples.at
    assert at is not None
    data = trips.settings.data
    trips.close()
    with served(data, TRIPS) as (url, _), closing(httpx.Client(base_url=url, timeout=30)) as client:
        predict = f"/v1/pipelines/{name}/predict"
        wrong = {"rows": [{**row, at: "yesterday", "speling": 1}]}
        refused = client.post(predict, json=wrong)
        assert refused.status_code == 422
        assert {one["field"] for one in refused.json()["fields"]} == {f"rows.0.{at}", "rows.0.speling"}
        without = {name: value for name, value in row.items() if name != at}
        for body, code in (
            (b"{", 422),
            (b'{"rows": []}', 422),
            (b"\xff", 422),
            (b'{"rows": [' + b"[" * 100_000, 422),
            (b" " * 5_000_000, 413),
        ):
            response = client.post(predict, content=body, headers=JSON)
            assert response.status_code == code, (body[:20], response.text)
            assert "Traceback" not in response.text
        assert client.post(predict, json={"rows": [without]}).json()["fields"][0]["reason"] == "Field required"
        past = client.post(predict, json={"rows": [{**row, at: "1999-01-01T00:00:00Z"}]})
        assert past.status_code == 422 and "earliest moment" in past.json()["error"]
        assert InvalidRequest.model_validate(refused.json()).remedy
        assert client.post("/v1/pipelines/other/predict", json={"rows": [row]}).status_code == 404
        for other, code in ((client.get("/nowhere"), 404), (client.get(predict), 405)):
            assert (other.status_code, set(other.json())) == (code, {"error", "remedy"})
        assert client.post(predict, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
        assert client.get("/healthz").json() == {"alive": True}
        evil = client.get("/healthz", headers={"Host": "evil.example"})
        assert (evil.status_code, set(evil.json())) == (400, {"error", "remedy"})


def test_what_a_caller_wants_otherwise_is_answered_and_on_record(trips: World) -> None:
    one, other = ({name: value for name, value in row.items() if name != "_score"} for row in json_rows(trips, 2))
    data, name = trips.settings.data, trips.pipeline.name
    trips.close()
    wants: dict[str, Any] = {"overrides": [{"drivers__years": 25}, None], "max_staleness": {"traffic__status": 0}}
    with served(data, TRIPS) as (url, _), closing(httpx.Client(base_url=url, timeout=30)) as client:
        predict = f"/v1/pipelines/{name}/predict"
        answers = client.post(predict, json={"rows": [one, other], **wants}).json()["predictions"]
        explained = client.post(predict, json={"rows": [one, other], **wants, "contributions": True}).json()[
            "predictions"
        ]
        for wrong, field in (
            ({"overrides": [{"drivers__years": "many"}, None]}, "overrides.0.drivers__years"),
            ({"overrides": [{"hour": 3}, None]}, "overrides.0.hour"),
            ({"max_staleness": {"drivers__status": 5}}, "max_staleness.drivers__status"),
        ):
            refused = client.post(predict, json={"rows": [one, other], **wrong})
            assert refused.json()["fields"][0]["field"] == field
        uneven = client.post(predict, json={"rows": [one, other], "overrides": [None]})
        assert uneven.status_code == 422 and "1 for 2 rows" in uneven.json()["error"]
    assert answers[0]["statuses"]["drivers__status"] == "overridden"
    assert all(answer["statuses"]["traffic__status"] in ("stale", "unknown") for answer in answers)
    bundle = bundles.load(trips.ws.blobs, versions.version(trips.ws.state, name, answers[0]["version"]).bundle)
    for plain, answer in zip(answers, explained, strict=True):
        assert answer["score"] == plain["score"] and "contributions" not in plain
        assert set(answer["contributions"]) == set(bundle.columns)
    margins = [math.log(one["score"] / (1 - one["score"])) for one in explained]
    means = [margin - sum(one["contributions"].values()) for margin, one in zip(margins, explained, strict=True)]
    assert means[0] == pytest.approx(means[1])  # both contributions start from the mean of the model
    trips.declare()
    logged = trips.ws.lake.rows(f"SELECT id, overridden, max_staleness FROM {name}.served")
    staleness = '{"traffic__status": 0.0}'
    assert sorted(one for one in logged if one[0] in {answer["id"] for answer in answers}) == sorted(
        [(answers[0]["id"], ["drivers__years"], staleness), (answers[1]["id"], [], staleness)]
    )


def test_another_champion_takes_over_and_no_request_fails_meanwhile(trips: World) -> None:
    (row,) = json_rows(trips, 1)
    row.pop("_score")
    data, name = trips.settings.data, trips.pipeline.name
    before = promotions.champion_at(trips.ws.state, name)
    with served(data, TRIPS) as (url, _), closing(httpx.Client(base_url=url, timeout=30)) as client:
        entry = rollback(trips)
        began, seen = time.monotonic(), set()
        while entry.version not in seen:
            response = client.post(f"/v1/pipelines/{name}/predict", json={"rows": [row]})
            assert response.status_code == 200, response.text
            seen.add(response.json()["predictions"][0]["version"])
            assert time.monotonic() - began < 20
    assert seen == {before, entry.version}


def test_a_killed_worker_loses_no_acknowledged_prediction_and_another_one_takes_over(trips: World) -> None:
    (row,) = json_rows(trips, 1)
    row.pop("_score")
    data, name = trips.settings.data, trips.pipeline.name
    trips.close()
    acknowledged = []
    with served(data, TRIPS) as (url, process):
        for _ in range(2):
            for _ in range(20):
                response = httpx.post(f"{url}/v1/pipelines/{name}/predict", json={"rows": [row]}, timeout=30)
                acknowledged.append(response.json()["predictions"][0]["id"])
            (worker,) = children(process.pid)
            os.kill(worker, signal.SIGKILL)
            ready(url)
    trips.declare()
    assert [one for (one,) in trips.ws.lake.rows(f"SELECT id FROM {name}.served ORDER BY id")] == sorted(acknowledged)


@pytest.mark.slow
def test_twenty_kills_under_load_lose_and_double_no_prediction(trips: World) -> None:
    (row,) = json_rows(trips, 1)
    row.pop("_score")
    data, name = trips.settings.data, trips.pipeline.name
    trips.close()
    acknowledged: list[str] = []
    with served(data, TRIPS, "--workers", "2") as (url, process):
        killed = 0

        def kill() -> None:
            nonlocal killed
            for _ in range(20):
                answered = len(acknowledged)
                until(lambda: len(acknowledged) >= answered + 20 and len(children(process.pid)) == 2)  # noqa: B023
                os.kill(children(process.pid)[0], signal.SIGKILL)
                killed += 1

        killer = Thread(target=kill)
        killer.start()
        while killer.is_alive():
            with suppress(httpx.TransportError), closing(httpx.Client(base_url=url, timeout=30)) as client:
                while killer.is_alive():
                    answer = client.post(f"/v1/pipelines/{name}/predict", json={"rows": [row]})
                    if answer.status_code == 200:
                        acknowledged.append(answer.json()["predictions"][0]["id"])
        killer.join()
    assert killed == 20
    trips.declare()
    logged = [one for (one,) in trips.ws.lake.rows(f"SELECT id FROM {name}.served")]
    assert len(logged) == len(set(logged)) and set(acknowledged) <= set(logged)


def test_workers_of_a_killed_supervisor_end_and_give_the_port_back(trips: World) -> None:
    data = trips.settings.data
    trips.close()
    with served(data, TRIPS, "--workers", "2") as (url, process):
        handles = [os.pidfd_open(worker) for worker in children(process.pid)]
        process.kill()
        for handle in handles:
            assert select.select([handle], [], [], 40)[0], "A worker outlived its supervisor."
            os.close(handle)
    assert len(handles) == 2
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", int(url.rpartition(":")[2])))


def test_what_cannot_be_filled_is_said_by_readyz(trips: World) -> None:
    name, data = trips.pipeline.name, trips.settings.data
    champion = promotions.champion_at(trips.ws.state, name)
    assert champion is not None
    trips.ws.blobs.path(versions.version(trips.ws.state, name, champion).bundle).unlink()
    trips.close()
    with served(data, TRIPS, ready_with=503) as (url, _):
        answer = httpx.get(f"{url}/readyz").json()
    assert not answer["ready"] and set(answer["faults"]) == {name} and "blob" in answer["faults"][name]
