"""Processes of `bench.serving`: the service, the load, and the CPU that a server takes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_STARTING = 180.0  # seconds; the slowest peer imports for 20


@dataclass(frozen=True)
class Server:
    """A server under test: its name and version, its port, its first process, and what is asked of it."""

    name: str
    port: int
    pid: int
    requests: Path

    def processes(self) -> list[int]:
        """The process and all below it."""
        pids = [self.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += [int(one) for one in task.read_text().split()]
        return pids

    def cpu_seconds(self) -> dict[int, float]:
        """User and system seconds of the process and of all below it."""
        return {pid: _cpu_of(pid) for pid in self.processes()}


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_between(before: Mapping[int, float], after: Mapping[int, float]) -> tuple[float, float]:
    """The seconds of the busiest process, which answers, and of all."""
    spent = [seconds - before.get(pid, 0.0) for pid, seconds in after.items()]
    return max(spent), sum(spent)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def load(
    server: Server, *, connections: int, seconds: float, requests: Path | None = None, **options: Any
) -> dict[str, Any]:
    """What `bench.load` says of a server, and CPU microseconds a request: of the process that answers, of all."""
    command = [sys.executable, "-m", "bench.load", str(server.port), str(requests or server.requests)]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    busy = server.cpu_seconds()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=seconds + 120)
    answering, together = cpu_between(busy, server.cpu_seconds())
    figures: dict[str, Any] = json.loads(done.stdout)
    count = figures["requests"]
    return {**figures, "CPU µs": round(answering / count * 1e6), "CPU of all µs": round(together / count * 1e6)}


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def write_requests(path: Path, asked: Sequence[Mapping[str, str]]) -> Path:
    """A file for `bench.load`."""
    path.write_text("".join(f"{json.dumps(one)}\n" for one in asked))
    return path


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, which SIGTERM ends; what it says goes to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        finally:
            _end_group(process.pid)


def _end_group(group: int) -> None:
    """End what is left of the group of a process that this benchmark started."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def wait_for(process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path) -> float:
    """Seconds until a server answers. Raises RuntimeError with the end of its log if it ends or takes too long."""
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < _STARTING:
        if answers():
            return time.monotonic() - began
        time.sleep(0.05)
    raise RuntimeError(f"The server did not answer. The end of its log:\n{log.read_text()[-2000:]}")


def answers(url: str, body: str | None = None, kind: str = "application/json") -> bool:
    """Whether a URL answers 200."""
    data = None if body is None else body.encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, {"content-type": kind}), timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def our_service(data: Path, name: str, days: int, folder: Path, asked: Path) -> Iterator[Server]:
    """`ml-platform serve` with its defaults: one worker."""
    log, port = folder / "service.log", free_port()
    environment = {**os.environ, "ML_PLATFORM_DATA": str(data), "ML_PLATFORM_ONLINE_DAYS": str(days)}
    environment.pop("POLARS_MAX_THREADS", None)  # the worker chooses
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "ml_platform.cli.main", "serve", name, "--port", str(port)]
    with running(command, environment, log) as process:
        wait_for(process, lambda: answers(f"http://127.0.0.1:{port}/readyz"), log)
        yield Server("ml_platform", port, process.pid, asked)


def worker_of(server: Server) -> int:
    """The worker of our service."""
    (worker,) = (pid for pid in server.processes() if "rest.worker" in Path(f"/proc/{pid}/cmdline").read_text())
    return worker
