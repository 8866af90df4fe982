"""A tracking server that fails in whatever way is an error with words, in bounded time, and no secret is in them."""

import json
import time

import pytest

from ml_platform.redaction import without_secrets
from ml_platform.tracking.client import TrackingServer
from ml_platform.tracking.errors import ExportRefused, ServerUnavailable, TrackingError
from ml_platform_tests.tracking.conftest import address_of
from ml_platform_tests.tracking_server import Answer, connection_to

WRONG: list[tuple[Answer, type[TrackingError], str]] = [
    ((500, {}, b'{"error_code": "INTERNAL_ERROR", "message": "disk full"}'), ServerUnavailable, "disk full"),
    ((502, {}, b"<html>bad gateway</html>"), ServerUnavailable, "answers 502"),
    ((429, {}, b'{"error_code": "REQUEST_LIMIT_EXCEEDED"}'), ServerUnavailable, "next run"),
    ((401, {}, b"who are you"), ServerUnavailable, "MLFLOW_TRACKING_TOKEN"),
    ((403, {}, b'{"error_code": "PERMISSION_DENIED"}'), ServerUnavailable, "PERMISSION_DENIED"),
    ((302, {"Location": "/login"}, b""), ServerUnavailable, "as no MLflow server does"),
    ((200, {}, b"<html>welcome</html>"), ServerUnavailable, "as no MLflow server does"),
    ((200, {}, b"[1]"), ServerUnavailable, "as no MLflow server does"),
    ((400, {}, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}'), ExportRefused, "no"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), WRONG)
def test_an_answer_that_is_none_says_what_and_what_to_do(
    answer: Answer, kind: type[TrackingError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection_to(lambda path, body: answer) as there:
        address = address_of(monkeypatch, there.address)
        with TrackingServer(address) as server, pytest.raises(kind, match=words) as raised:
            server.get("experiments/get-by-name", experiment_name="x")
    assert there.address in raised.value.what


def test_a_server_that_is_gone_or_breaks_off_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection_to(lambda path, body: (200, {}, b"{}")) as there:
        there.fault = lambda number: "unheard"
        address = address_of(monkeypatch, there.address)
        with TrackingServer(address) as server, pytest.raises(ServerUnavailable, match="cannot be reached"):
            server.post("runs/create", {})
    with TrackingServer(address) as server, pytest.raises(ServerUnavailable, match="cannot be reached"):
        server.post("runs/create", {})


def test_a_server_that_answers_drop_by_drop_is_left_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part comes in time, and the whole never does."""
    import socket
    import threading

    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        listener.settimeout(10)
        peer, _ = listener.accept()
        with peer:
            peer.recv(65_536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    peer.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        address = address_of(monkeypatch, f"http://127.0.0.1:{listener.getsockname()[1]}")
        began = time.monotonic()
        try:
            with TrackingServer(address, until=began + 1) as server:
                with pytest.raises(ServerUnavailable, match="takes too long"):
                    server.get("runs/get")
                with pytest.raises(ServerUnavailable, match="takes too long"):
                    server.get("runs/get")  # it is not asked again
        finally:
            stop.set()
            thread.join()
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("uri", "variables", "sent"),
    [
        ("http://joe:open-sesame-9@{}", {}, "Basic am9lOm9wZW4tc2VzYW1lLTk="),
        ("http://{}", {"USERNAME": "joe", "PASSWORD": "open-sesame-9"}, "Basic am9lOm9wZW4tc2VzYW1lLTk="),
        ("http://{}", {"TOKEN": "open-sesame-9"}, "Bearer open-sesame-9"),
    ],
)
def test_credentials_are_sent_and_shown_nowhere(
    uri: str, variables: dict[str, str], sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echoes(path: str, body: bytes) -> Answer:
        words = {"error_code": "INTERNAL_ERROR", "message": f"bad header {sent} of open-sesame-9"}
        return 500, {}, json.dumps(words).encode()

    with connection_to(echoes) as there:
        address = address_of(monkeypatch, uri.format(there.address.removeprefix("http://")), **variables)
        assert address.url == there.address and "open-sesame-9" not in repr(address)
        with TrackingServer(address) as server, pytest.raises(ServerUnavailable) as raised:
            server.get("runs/get")
    assert there.headers[0]["Authorization"] == sent
    text = str(raised.value)
    assert "open-sesame-9" not in text and sent.partition(" ")[2] not in text and "***" in text
    assert without_secrets("it was open-sesame-9") == "it was ***"


@pytest.mark.parametrize(
    "uri", ["sqlite:///mlflow.db", "databricks", "file:/tmp/x", "http://:80", "http://h:99999/x", "./mlruns"]
)
def test_what_is_no_address_of_a_server_is_refused_without_being_shown(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI") as raised:
        address_of(monkeypatch, uri)
    assert uri not in raised.value.what
