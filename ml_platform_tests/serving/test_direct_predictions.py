"""Requests for predictions pass by FastAPI's routes, and are answered as these would answer them."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from ml_platform.api_keys import parse_api_keys
from ml_platform.lake.blobs import Blobs
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.settings import Settings

READER, CALLER = "reader-0123456789", "caller-0123456789"
KEYS = json.dumps(
    {"dashboard": {"key": READER, "scopes": ["read"]}, "checkout": {"key": CALLER, "scopes": ["predict"]}}
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        one = Service(Blobs(Settings(data=tmp_path)), store, tmp_path / "log", 1_000_000, [])
        one.faults = {"trips": "Its bundle is gone."}
        yield one


def test_a_refusal_is_that_of_the_route(service: Service) -> None:
    app = create_app(service, Access(parse_api_keys(KEYS)), started=lambda: None, filling_faults=dict)

    async def asked(root_path: str, method: str, path: str, key: str) -> tuple[int, object, dict[str, str]]:
        transport = httpx.ASGITransport(app, root_path=root_path)  # below another path FastAPI routes all requests
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.request(method, path, content=b"{}", headers={"x-api-key": key})
            return answer.status_code, answer.json(), dict(answer.headers)

    codes = set()
    for method in ("POST", "GET", "PUT"):
        for path in ("trips/predict", "other/predict", "a%2Fb/predict", "/predict", "trips/predict/", "predict"):
            for key in (CALLER, READER, "unknown"):
                direct, routed = (
                    asyncio.run(asked(root, method, f"/v1/pipelines/{path}", key)) for root in ("", "/behind")
                )
                assert direct == routed, (method, path, key)
                codes.add(direct[0])
    assert codes == {401, 403, 404, 405, 503}
