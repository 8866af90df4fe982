"""A connection that sends nothing, or half a request, is closed; one that is at work is not."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import uvicorn

from ml_platform.serving.rest import connections
from ml_platform.serving.rest.connections import ImpatientProtocol


async def _app(scope: object, receive: object, send: object) -> None:
    await asyncio.sleep(0.3)  # longer than two looks
    for message in (
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]},
        {"type": "http.response.body", "body": b"ok"},
    ):
        await send(message)  # type: ignore[operator]


@contextmanager
def listening() -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(_app, http=ImpatientProtocol, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_sends_no_whole_request_is_disconnected(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.1)
    with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(sent)
        began = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - began < 10


def test_who_waits_for_an_answer_gets_it_and_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS", 0.1)
    with listening() as port, socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += client.recv(1_000)
            assert answer.startswith(b"HTTP/1.1 200")
        assert client.recv(1) == b""  # now it asks for nothing
