"""What one worker takes at a time: bodies that arrive, and larger requests that wait."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.rest import exchange
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows

PREDICT = "/v1/pipelines/trip_delay/predict"
JSON = {"content-type": "application/json"}


@pytest.fixture
def service(open_world: OpenWorld, february: Path, tmp_path: Path) -> Iterator[tuple[Service, bytes]]:
    """A service with a champion, and a body of five rows: one more than is answered without waiting."""
    world = open_world(february)
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        deploy_champion(world.ws, world.pipeline.name, store, None)
        one = Service(world.ws.blobs, store, tmp_path / "log", 1_000_000, [world.pipeline.name])
        one.take_up_changes()
        rows = [{name: value for name, value in row.items() if name != "_score"} for row in json_rows(world, 5)]
        yield one, json.dumps({"rows": rows}).encode()


def posted(service: Service, *bodies: bytes | AsyncIterator[bytes]) -> list[httpx.Response]:
    app = create_app(service, Access({}), started=lambda: None, filling_faults=dict)

    async def post() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await asyncio.gather(*(client.post(PREDICT, content=body, headers=JSON) for body in bodies))

    return asyncio.run(post())


def test_a_body_that_does_not_arrive_is_given_up(
    service: tuple[Service, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.05)

    async def never_whole() -> AsyncIterator[bytes]:
        yield b'{"rows": ['
        await asyncio.Event().wait()

    [answer] = posted(service[0], never_whole())
    assert (answer.status_code, set(answer.json())) == (408, {"error", "remedy"})


def test_more_larger_requests_than_may_wait_are_asked_to_come_again(
    service: tuple[Service, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_QUEUED", 2)
    answers = posted(service[0], *[service[1]] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 429} == {"1"}
    assert service[0].queued == 0
    [afterwards] = posted(service[0], service[1])
    assert afterwards.status_code == 200


def test_thousands_of_wrong_fields_are_counted_and_not_named(service: tuple[Service, bytes]) -> None:
    body = json.loads(service[1])
    many = {"rows": [{**body["rows"][0], **dict.fromkeys(map(str, range(5_000)), 1)}]}
    overrides = {"rows": body["rows"], "overrides": [1] * 100_000}
    unknown, longer = posted(service[0], json.dumps(many).encode(), json.dumps(overrides).encode())
    assert (unknown.status_code, unknown.json()["count"], unknown.json()["fields"]) == (422, 5_000, [])
    assert longer.status_code == 422 and longer.json()["count"] <= 1_001


def test_a_compressed_body_is_refused_as_such(service: tuple[Service, bytes]) -> None:
    app = create_app(service[0], Access({}), started=lambda: None, filling_faults=dict)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post(PREDICT, content=service[1], headers={**JSON, "content-encoding": "gzip"})

    answer = asyncio.run(post())
    assert answer.status_code == 415 and "compressed" in answer.json()["error"]
