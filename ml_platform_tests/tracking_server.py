"""A real MLflow server on a free port, and a connection to one that breaks as it is asked to."""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.peers import Peer
from bench.serving_processes import answers, free_port, running, wait_for

# Where `bench.serving` makes them, too: one installation serves both.
ENVIRONMENTS = Path(tempfile.gettempdir()) / "ml_platform_bench_peers"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class MlflowServer:
    """A server that runs, and the environment that it runs in."""

    address: str
    peer: Peer

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of its REST API; a body makes a POST."""
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=30)
        content = None if body is None else json.dumps(body)
        method = "GET" if body is None else "POST"
        connection.request(method, f"/api/2.0/mlflow/{path}", content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """The runs of an experiment of that name; none where there is no such experiment."""
        known = self.ask("experiments/search", {"max_results": 100}).get("experiments", [])
        mine = [one["experiment_id"] for one in known if one["name"] == experiment]
        return list(self.ask("runs/search", {"experiment_ids": mine}).get("runs", [])) if mine else []


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """`mlflow server` with its defaults, over a folder of its own. Its environment is made where it is missing."""
    peer, port = Peer("mlflow", ENVIRONMENTS), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(peer.python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = peer.environment(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
    environment = {key: value for key, value in environment.items() if key != "MLFLOW_TRACKING_URI"}
    with running(command, environment, folder / "log", cwd=folder) as process:
        wait_for(process, lambda: answers(f"http://127.0.0.1:{port}/health"), folder / "log")
        yield MlflowServer(f"http://127.0.0.1:{port}", peer)


@dataclass
class Connection:
    """What a server between gets, and what it does about each request.

    fault: request number from 1 → "lost" (it does not reach the server), "unheard" (the server's answer is lost),
           "error" (the answer is 500); None: it is passed on.
    """

    address: str = ""
    fault: Callable[[int], str | None] = lambda _: None
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def connection_to(server: str | Callable[[str, bytes], Answer]) -> Iterator[Connection]:
    """A connection to a server at an address, or to a function of path and body that answers for one."""
    connection, lock = Connection(), threading.Lock()

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                connection.requests.append((self.command, self.path))
                connection.headers.append(dict(self.headers))
                fault = connection.fault(len(connection.requests))
            if fault == "lost":
                self.close_connection = True
                return
            status, headers, content = self.passed_on(body) if fault != "error" else (500, {}, b"<h1>no</h1>")
            if fault == "unheard":
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def passed_on(self, body: bytes) -> Answer:
            if callable(server):
                return server(self.path, body)
            there = HTTPConnection(server.removeprefix("http://"), timeout=30)
            there.request(self.command, self.path, body, {"Content-Type": self.headers.get("Content-Type", "")})
            answer = there.getresponse()
            content = answer.read()
            there.close()
            return answer.status, {"Content-Type": answer.getheader("Content-Type", "")}, content

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            """Nothing: what came is in `requests`."""

    between = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    connection.address = f"http://127.0.0.1:{between.server_address[1]}"
    thread = threading.Thread(target=between.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield connection
    finally:
        between.shutdown()
        between.server_close()
        thread.join()
