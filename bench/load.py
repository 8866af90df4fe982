"""A load generator for HTTP on loopback: plain sockets in a process of its own, so that it is not what is measured.

    python -m bench.load PORT REQUESTS_FILE --connections 16 --seconds 5 [--rate 200]

REQUESTS_FILE has one JSON object a line: `path`, `type` and `body`, asked in turn. It prints one line of JSON:
requests, failed (answers other than 200), seconds, the rate, and the median and 99th percentile of the milliseconds to
an answer; with `--keep PATH` it also writes of each request when it ended, the seconds it took, its code and its body.
"""

import argparse
import json
import selectors
import socket
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

_TIMEOUT = 60.0  # seconds without any answer


class Connection:
    """One connection, which has one request under way at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._received, self._missing = b"", -1

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self._received, self._missing = b"", -1
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Receive what is there; whether the answer is whole now."""
        part = self.socket.recv(1 << 20)
        if not part:
            raise ConnectionResetError("the server closed the connection")
        self._received += part
        if self._missing < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            if at < 0:
                raise ValueError(f"an answer without content-length: {head!r}")
            self._missing = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return len(self._received) >= self._missing

    @property
    def code(self) -> int:
        """The status of the answer."""
        return int(self._received[9:12])

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return self._received[self._received.find(b"\r\n\r\n") + 4 :]


def requests_of(lines: Sequence[str], port: int) -> list[bytes]:
    """The bytes of each request."""
    encoded = []
    for line in lines:
        asked = json.loads(line)
        body = asked["body"].encode()
        head = (
            f"POST {asked['path']} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: {asked['type']}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        encoded.append(head.encode() + body)
    return encoded


class Run:
    """What came of the requests."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failed = 0
        self.answers: list[dict[str, Any]] = []

    def note(self, connection: Connection, kept: bool) -> None:
        """Note an answer that is whole."""
        now = time.perf_counter()
        self.seconds.append(now - connection.began)
        self.failed += connection.code != 200
        if kept:
            text = connection.body.decode("utf-8", "replace")
            self.answers.append({"ended": time.time(), "took": self.seconds[-1], "code": connection.code, "body": text})


def load(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, rate: float | None, kept: bool
) -> dict[str, Any]:
    """Ask for so long on so many connections; with a rate, so many requests a second and not as fast as possible."""
    run, selector = Run(), selectors.DefaultSelector()
    idle = deque(Connection(port) for _ in range(connections))  # in turn: a server closes what is idle for long
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    began, asked, under_way = time.perf_counter(), 0, 0
    while True:
        elapsed = time.perf_counter() - began
        if elapsed < seconds:
            due = connections if rate is None else int(elapsed * rate) + 1 - asked
            while idle and due > 0:
                idle.popleft().ask(next(requests))
                asked, due, under_way = asked + 1, due - 1, under_way + 1
        elif not under_way:
            break
        waiting = _TIMEOUT if rate is None or elapsed >= seconds else max(0.0, asked / rate - elapsed)
        ready = selector.select(waiting)
        if not ready and waiting == _TIMEOUT:
            raise TimeoutError("no answer came")
        for key, _ in ready:
            if key.data.answered():
                run.note(key.data, kept)
                idle.append(key.data)
                under_way -= 1
    elapsed = time.perf_counter() - began
    centiles = statistics.quantiles(run.seconds, n=100) if len(run.seconds) > 1 else run.seconds * 99
    figures = {
        "requests": len(run.seconds),
        "failed": run.failed,
        "seconds": round(elapsed, 3),
        "requests/s": round(len(run.seconds) / elapsed, 1),
        "p50 ms": round(centiles[49] * 1e3, 3),
        "p99 ms": round(centiles[98] * 1e3, 3),
    }
    return {"figures": figures, "answers": run.answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    asked = cycle(requests_of(options.requests.read_text().splitlines(), options.port))
    outcome = load(options.port, asked, options.connections, options.seconds, options.rate, options.keep is not None)
    if options.keep:
        options.keep.write_text("".join(f"{json.dumps(one)}\n" for one in outcome["answers"]))
    print(json.dumps(outcome["figures"]))


if __name__ == "__main__":
    main()
