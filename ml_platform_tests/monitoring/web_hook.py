"""A web hook on loopback that keeps what it was sent, and says no when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class WebHook:
    """`address` is apprise's for it; `messages` are those that it took, in order."""

    port: int
    messages: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False

    @property
    def address(self) -> str:
        return f"json://caller:hushhush@127.0.0.1:{self.port}/alerts"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def web_hook() -> Iterator[WebHook]:
    """A server that answers until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not state.refuses:
                state.messages.append(json.loads(body))
            self.send_response(503 if state.refuses else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = WebHook(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()
