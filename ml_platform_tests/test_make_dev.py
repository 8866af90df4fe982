"""`make dev` ends both of its servers, however it is ended. Long-lived stand-ins take the place of the servers."""

import os
import signal
import subprocess
import sys
import time
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
    command = ["make", "-o", "install", "dev", f"VENV={folder / 'venv'}", f"DAGSTER_HOME={folder / 'home'}"]
    make = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    pids = [programs / f"{name}.pid" for name in SERVERS]
    deadline = time.monotonic() + 60
    while not all(pid.exists() for pid in pids):
        assert make.poll() is None and time.monotonic() < deadline, "make dev did not start both servers"
        time.sleep(0.01)  # between two looks; the deadline decides
    return make, [int(pid.read_text()) for pid in pids]


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
