"""`make dev` ends both of its servers, however it is ended. Long-lived stand-ins take the place of the servers."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVERS = ("ml-platform", "dagster")
STAND_IN = """
import os, pathlib, signal, sys
if sys.argv[0].endswith("dagster"):
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # as Dagster does
pid = pathlib.Path(sys.argv[0] + ".new")
pid.write_text(str(os.getpid()))
pid.rename(sys.argv[0] + ".pid")
signal.pause()
"""


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """`make dev` as the leader of its session, and the processes of both servers."""
    programs = folder / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    for name in SERVERS:
        (programs / name).write_text(f"#!{sys.executable}\n{STAND_IN}")
        (programs / name).chmod(0o755)
    make = subprocess.Popen(_command(folder, _free_port()), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    pids = [programs / f"{name}.pid" for name in SERVERS]
    deadline = time.monotonic() + 60
    while not all(pid.exists() for pid in pids):
        assert make.poll() is None and time.monotonic() < deadline, "make dev did not start both servers"
        time.sleep(0.01)  # between two looks; the deadline decides
    return make, [int(pid.read_text()) for pid in pids]


def _command(folder: Path, port: int) -> list[str]:
    own = (f"VENV={folder / 'venv'}", f"DAGSTER_HOME={folder / 'home'}", f"PORT={port}")
    return ["make", "-o", "install", "dev", *own]


def _free_port() -> int:
    """A port that is free, and the one after it, too."""
    while True:
        with socket.socket() as first, socket.socket() as second, suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            second.bind(("127.0.0.1", port + 1))
            return port


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["TERM to make", "Ctrl-C", "the end of Dagster"])
def test_make_dev_leaves_no_server_behind(tmp_path: Path, how: str) -> None:
    make, servers = _started(tmp_path)
    try:
        if how == "TERM to make":
            make.send_signal(signal.SIGTERM)
        elif how == "Ctrl-C":  # a terminal sends it to all of the group
            os.killpg(make.pid, signal.SIGINT)
        else:
            os.kill(servers[1], signal.SIGKILL)
        assert make.wait(60) != 0
        assert not any(map(_is_running, servers))
    finally:
        for server in filter(_is_running, servers):
            os.kill(server, signal.SIGKILL)


@pytest.mark.parametrize("taken", [0, 1])
def test_make_dev_starts_nothing_where_a_port_is_taken(tmp_path: Path, taken: int) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)  # there is no server that could be started
    port = _free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + taken))
        other.listen()
        done = subprocess.run(_command(tmp_path, port), cwd=ROOT, capture_output=True, text=True, check=False)
    complaint = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert complaint == [
        f"Port {port + taken} cannot be used: Address already in use. make dev PORT=4000 takes 4000 and 4001."
    ]
