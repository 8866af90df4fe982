"""Who may ask the service for what: keys and their scopes, addresses beyond this machine, TLS."""

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.responses import HTMLResponse

from ml_platform.api_keys import parse_api_keys
from ml_platform.errors import ServingError
from ml_platform.lake.blobs import Blobs
from ml_platform.redaction import without_secrets
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.listening import Certificate, Listener
from ml_platform.serving.rest.service import Service
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.settings import Settings
from ml_platform_tests.serving.service import served

HERE = Path(__file__).parent
CHAIN, KEY = HERE / "loopback.pem", HERE / "loopback.key.pem"
READER, CALLER = "reader-0123456789", "caller-0123456789"
KEYS = json.dumps(
    {"dashboard": {"key": READER, "scopes": ["read"]}, "checkout": {"key": CALLER, "scopes": ["predict"]}}
)
OPEN = {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"}  # to whoever starts and watches the service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as store:
        yield Service(Blobs(Settings(data=tmp_path)), store, tmp_path / "log", 1_000_000, [])


def app_of(service: Service, keys: str) -> FastAPI:
    return create_app(service, Access(parse_api_keys(keys)), started=lambda: None, filling_faults=dict)


def asked(app: FastAPI, method: str, path: str, *, host: str = "127.0.0.1", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            return await client.request(method, path, headers=sent)

    return asyncio.run(ask())


def test_every_route_but_those_of_health_asks_for_a_key(service: Service) -> None:
    app = app_of(service, KEYS)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} >= {"/metrics", "/openapi.json", "/v1/pipelines/{name}/predict"}
    assert len(routes) == len(app.routes)  # none is added by FastAPI itself
    for route in routes:
        for method in route.methods or ():
            answer = asked(app, method, route.path_format.format(name="trips", key="7", number="1"))
            assert (answer.status_code == 401) == (route.path not in OPEN), route.path
            if answer.status_code == 401:
                scheme = "Basic" if route.response_class is HTMLResponse else "Bearer"
                assert answer.headers["www-authenticate"].startswith(scheme) and "ML_PLATFORM_API_KEYS" in answer.text


def test_a_key_opens_what_its_scopes_name_and_nothing_else(service: Service) -> None:
    app = app_of(service, KEYS)
    predict = "/v1/pipelines/trips/predict"
    assert asked(app, "GET", "/v1/pipelines", authorization=f"Bearer {READER}").status_code == 200
    assert asked(app, "GET", "/v1/pipelines", x_api_key=READER).status_code == 200
    assert asked(app, "GET", "/v1/pipelines", authorization=f"Bearer {CALLER}").status_code == 403
    assert asked(app, "POST", predict, authorization=f"Bearer {READER}").status_code == 403
    assert asked(app, "POST", predict, authorization=f"bearer  {CALLER} ").status_code == 404  # no such pipeline
    for wrong in (f"Basic {READER}", "Bearer", f"Bearer {READER[:-1]}", f"Bearer {READER}x", READER):
        assert asked(app, "GET", "/metrics", authorization=wrong).status_code == 401, wrong


def test_a_browser_sends_a_key_as_a_password_which_counts_for_reading_only(service: Service) -> None:
    app = app_of(service, KEYS)
    reader, caller = (b64encode(f"anybody:{key}".encode()).decode() for key in (READER, CALLER))
    for path in ("/", "/docs", "/v1/pipelines"):
        assert asked(app, "GET", path, authorization=f"Basic {reader}").status_code == 200, path
        assert asked(app, "GET", path, authorization=f"Basic {caller}").status_code == 403, path
        for wrong in (READER, b64encode(READER.encode()).decode(), b64encode(b"\xff:\xff").decode()):
            assert asked(app, "GET", path, authorization=f"Basic {wrong}").status_code == 401, (path, wrong)
    assert asked(app, "POST", "/v1/pipelines/trips/predict", authorization=f"Basic {caller}").status_code == 401
    by_proxy = asked(app, "GET", "/v1/pipelines", authorization="Basic dXNlcjpwYXNzd29yZA==", x_api_key=READER)
    assert by_proxy.status_code == 200


def test_what_is_not_ready_is_said_to_keys_that_may_read_only(service: Service) -> None:
    app = app_of(service, KEYS)
    for headers, is_shown in (({}, False), ({"x_api_key": CALLER}, False), ({"x_api_key": READER}, True)):
        answer = asked(app, "GET", "/readyz", **headers)
        assert answer.status_code == 503 and bool(answer.json()["faults"]) == is_shown


def test_with_keys_any_host_may_be_named_and_without_only_this_machine(service: Service) -> None:
    assert asked(app_of(service, ""), "GET", "/v1/pipelines", host="evil.example").status_code == 400
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.2", "[::1]:8000"):
        assert asked(app_of(service, ""), "GET", "/v1/pipelines", host=host).status_code == 200, host
    for host in ("", "127.0.0.1.evil.example", "[::1", "evil@localhost.example", "192.0.2.1"):
        answer = asked(app_of(service, ""), "GET", "/v1/pipelines", host=host)
        assert answer.status_code == 400, host
    answer = asked(app_of(service, KEYS), "GET", "/v1/pipelines", host="ml.example", x_api_key=READER)
    assert answer.status_code == 200


SECRETS = st.text("abcdefgh", min_size=1, max_size=15)


@given(st.dictionaries(SECRETS.map("client-{}".format), SECRETS.map("{}!".format), min_size=1))
def test_a_key_that_is_too_short_is_refused_and_neither_it_nor_its_client_is_quoted(keys: dict[str, str]) -> None:
    text = json.dumps({client: {"key": key[:15], "scopes": ["read"]} for client, key in keys.items()})
    with pytest.raises(ValueError, match="16 to 512") as refused:
        parse_api_keys(text)
    assert not any(part in str(refused.value) for client, key in keys.items() for part in (client, f'"{key}'))


@given(st.text(max_size=60))
def test_what_is_no_setting_of_keys_is_a_value_error(text: str) -> None:
    try:
        assert parse_api_keys(text) == {}
    except ValueError as error:
        assert "JSON object" in str(error)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('{"a": {"key": "sesame", "scopes": ["read"]}}', "16 to 512"),
        ('{"a": {"key": "0123456789 abcdefg", "scopes": ["read"]}}', "without blanks"),
        ('{"a": {"key": "0123456789abcdef", "scopes": []}}', "scopes"),
        ('{"a": {"key": "0123456789abcdef", "scopes": ["admin"]}}', "predict, events, labels, read"),
        ('{"a": {"key": "0123456789abcdef"}}', "JSON object"),
        ('["0123456789abcdef"]', "JSON object"),
        (
            '{"a": {"key": "0123456789abcdef", "scopes": ["read"]}, '
            '"b": {"key": "0123456789abcdef", "scopes": ["predict"]}}',
            "two clients",
        ),
    ],
)
def test_a_wrong_setting_of_keys_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, keys: str, problem: str) -> None:
    monkeypatch.setenv("ML_PLATFORM_API_KEYS", keys)
    with pytest.raises(ValidationError, match=problem) as refused:
        Settings()
    assert "sesame" not in str(refused.value) and "0123456789" not in str(refused.value)


def test_keys_are_blotted_out_of_every_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_API_KEYS", KEYS)
    assert CALLER not in repr(Settings()) + without_secrets(f"refused {CALLER}")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # refused
def test_beyond_this_machine_nobody_listens_without_keys(host: str) -> None:
    with pytest.raises(ServingError, match="ML_PLATFORM_API_KEYS"):
        Listener(host, 0, None, has_keys=False)


def test_an_address_of_version_6_is_written_in_brackets() -> None:
    with closing(Listener("::1", 0, None, has_keys=False)) as listener:
        assert listener.url.startswith("http://[::1]:")


def test_an_address_beyond_this_machine_without_tls_sends_plaintext() -> None:
    for certificate, readable in ((None, True), (Certificate(CHAIN, KEY), False)):
        with closing(Listener("0.0.0.0", 0, certificate, has_keys=True)) as listener:  # no request comes
            assert listener.sends_plaintext == readable


def test_files_that_are_no_certificate_are_refused_by_name(tmp_path: Path) -> None:
    for chain, key in ((CHAIN, tmp_path / "none.pem"), (KEY, KEY), (CHAIN, CHAIN)):
        with pytest.raises(ServingError, match="cannot be used"):
            Certificate(chain, key)


def test_a_service_with_a_certificate_and_keys_answers_over_https(tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=CHAIN)
    options = ("--certificate", str(CHAIN), "--certificate-key", str(KEY))
    declarations = "ml_platform_tests.declarations.trips_monthly"
    with (
        served(tmp_path, declarations, *options, ready_with=503, verify=context, ML_PLATFORM_API_KEYS=KEYS) as (url, _),
        closing(httpx.Client(base_url=url, verify=context)) as client,
    ):
        assert url.startswith("https://")
        assert client.get("/v1/pipelines").status_code == 401
        answer = client.get("/v1/pipelines", headers={"authorization": f"Bearer {READER}"})
        assert (answer.status_code, answer.json()) == (200, {"pipelines": []})
