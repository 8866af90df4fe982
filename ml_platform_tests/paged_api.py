"""An HTTP API of orders on a free port of this machine: pages, a token, and whatever goes wrong on the way."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

TOKEN = "sesame-of-the-shop"


@dataclass
class PagedApi:
    """Orders of a shop, `page_rows` a page, those whose `updated_at` is at or after `since`.

    answers:   status codes that the next requests get instead of an answer.
    cut_page:  a page whose answers break off in the middle, the next `cuts` of them.
    waits_on:  a page that is not answered before `go_on` is set; `waiting` says that somebody asked for it.
    """

    address: str = ""
    orders: list[dict[str, Any]] = field(default_factory=list)
    page_rows: int = 2
    answers: list[int] = field(default_factory=list)
    cut_page: int | None = None
    cuts: int = 0
    waits_on: int | None = None
    waiting: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)

    def page(self, since: str, number: int) -> dict[str, Any]:
        rows = [order for order in self.orders if order.get("updated_at", "~") >= since]
        first = (number - 1) * self.page_rows
        return {"rows": rows[first : first + self.page_rows], "pages": -(-len(rows) // self.page_rows)}


@contextmanager
def paged_api() -> Iterator[PagedApi]:
    """A server that answers `/orders?since=…&page=…` to who has TOKEN."""
    api = PagedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.requests.append(self.path)
            asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
            number = int(asked.get("page", 1))
            if api.waits_on == number:
                api.waiting.set()
                api.go_on.wait(60)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, {"error": "no such token"})
            elif api.answers:
                self._answer(api.answers.pop(0), {"error": "asked for"})
            else:
                self._answer(200, api.page(asked.get("since", ""), number), cut=api.cut_page == number and api.cuts > 0)

        def _answer(self, status: int, content: dict[str, Any], *, cut: bool = False) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                api.cuts -= 1
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """No line on stderr for every request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        api.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
