"""`dagster dev` in a process group of its own, on a free port of 127.0.0.1; all of it ends with the context."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONFIG = Path(__file__).parents[2] / ".dagster" / "dagster.yaml"


@contextmanager
def dagster_dev(home: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start it with the project's own dagster.yaml; what it prints goes to `home/dev.log`."""
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_bytes(CONFIG.read_bytes())
    process = started_dev(home, environment)
    try:
        yield process
    finally:
        _end(process)


def started_dev(home: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start it in a home that has a dagster.yaml, as the leader of its process group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-m", "ml_platform.definitions"]
    with (home / "dev.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **environment, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"},
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill_dev(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for all of its tree at once: webserver, daemon, code server and runs."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGINT ends it, its children later; what is left of the group after that is killed."""
    os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(20)
