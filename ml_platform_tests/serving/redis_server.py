"""A Redis server of the tests' own, from Debian's package."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

PASSWORD = "open-sesame"


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a running server, with a password in it."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server was not found: install it (apt-get install redis-server).")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ml_platform_redis_") as folder:
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--dir", folder)
        with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
            try:
                address = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
                deadline = time.monotonic() + 30
                while not _answers(address):
                    assert time.monotonic() < deadline and process.poll() is None, "Redis does not start"
                    time.sleep(0.02)
                yield address
            finally:
                process.terminate()


def _answers(address: str) -> bool:
    try:
        with redis.Redis.from_url(address) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
