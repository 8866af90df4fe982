"""The peers of `bench.serving`, each installed into an environment of its own and started with its defaults."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.serving_processes import Server, answers, free_port, load, running, wait_for, write_requests

PACKAGES = {
    "mlflow": ("mlflow", f"lightgbm=={version('lightgbm')}", f"polars=={version('polars')}"),
    "bentoml": ("bentoml", f"lightgbm=={version('lightgbm')}"),
    "feast": ("feast",),
    "flaml": ("flaml", "lightgbm", "xgboost-cpu", "scikit-learn<1.8", "pandas", "polars", "pyarrow"),
}
_PROGRAMS = Path(__file__).parent / "peer_programs"
_INSTALLING = 1_200  # seconds


class PeerUnavailable(Exception):
    """A peer that cannot be installed or started, with the end of what it said."""


class Peer:
    """One peer: its environment, which is made where it is not there yet.

    Args:
        name: One of PACKAGES.
        environments: The folder of the environments.

    Raises:
        PeerUnavailable: When it cannot be installed.
    """

    def __init__(self, name: str, environments: Path) -> None:
        self.name, self._folder = name, environments / name
        self.python = self._folder / "bin" / "python"
        done = self._folder / "installed.json"
        packages = list(PACKAGES[name])
        if not done.exists() or json.loads(done.read_text()) != packages:
            self._install(packages)
            done.write_text(json.dumps(packages))
        command = [str(self.python), "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]
        self.version = _output(command, self.environment())

    def _install(self, packages: Sequence[str]) -> None:
        print(f"Installing {', '.join(packages)} into {self._folder} …", file=sys.stderr)
        uv = shutil.which("uv")
        if not self.python.exists():
            made = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
            _output([*made, str(self._folder)], os.environ)
        if uv:
            _output([uv, "pip", "install", "--python", str(self.python), *packages], os.environ)
        else:
            _output([str(self.python), "-m", "pip", "install", *packages], os.environ)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of its processes: nothing of ours on its path, one thread for a row as in our service."""
        ours = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return {**ours, "PATH": path, "OMP_NUM_THREADS": "1", **more}

    def run(self, program: str, *arguments: str) -> None:
        """Run one of `peer_programs` to its end."""
        _output([str(self.python), str(_PROGRAMS / program), *arguments], self.environment())

    def answer(self, program: str, *arguments: str) -> str:
        """What one of `peer_programs` prints last, run with the threads of the machine."""
        environment = self.environment()
        del environment["OMP_NUM_THREADS"]
        return _output([str(self.python), str(_PROGRAMS / program), *arguments], environment).splitlines()[-1]


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(  # its output says more than CalledProcessError
        command,
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_INSTALLING,
    )
    if done.returncode:
        raise PeerUnavailable(f"`{' '.join(command)}` failed:\n{done.stdout[-1500:]}")
    return done.stdout.strip()


@contextmanager
def mlflow(peer: Peer, model: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[list[Server]]:
    """`mlflow models serve` with one worker: a Server for each form of input, of the same process."""
    folder = model.parent
    peer.run("mlflow_model.py", str(model), str(folder / "mlflow_model"))
    rows = [[math.nan if value is None else value for value in row] for row in rows]  # null is an object for pandas
    forms = {
        "dataframe_split": lambda row: {"dataframe_split": {"columns": columns, "data": [row]}},
        "dataframe_records": lambda row: {"dataframe_records": [dict(zip(columns, row, strict=True))]},
        "inputs": lambda row: {"inputs": [row]},
    }
    requests = {
        form: write_requests(
            folder / f"mlflow_{form}.jsonl",
            [{"path": "/invocations", "type": "application/json", "body": json.dumps(body(row))} for row in rows],
        )
        for form, body in forms.items()
    }
    port, log = free_port(), folder / "mlflow.log"
    command = [str(peer.python), "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow_model")]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with running(command, peer.environment(), log) as process:
        wait_for(process, lambda: answers(f"http://127.0.0.1:{port}/ping"), log)
        yield [Server(f"mlflow {peer.version}, {form}", port, process.pid, requests[form]) for form in forms]


@contextmanager
def bentoml(peer: Peer, model: Path, rows: Sequence[Sequence[Any]]) -> Iterator[Server]:
    """`bentoml serve` with one worker."""
    folder, port = model.parent, free_port()
    log, home = folder / "bentoml.log", folder / "bentoml"
    home.mkdir()
    asked = [{"path": "/predict", "type": "application/json", "body": json.dumps({"rows": [row]})} for row in rows]
    requests = write_requests(folder / "bentoml.jsonl", asked)
    environment = peer.environment(MODEL=str(model), BENTOML_HOME=str(home), BENTOML_DO_NOT_TRACK="True")
    command = [str(peer.python), "-m", "bentoml", "serve", "bento_scores:Scores", "--host", "127.0.0.1"]
    command += ["--port", str(port)]
    with running(command, environment, log, _PROGRAMS) as process:
        wait_for(process, lambda: answers(f"http://127.0.0.1:{port}/readyz"), log)
        yield Server(f"bentoml {peer.version}", port, process.pid, requests)


class FeastReads:
    """Feast's reads, in a process of its own that waits between rounds."""

    def __init__(self, peer: Peer, folder: Path, features: int, keys: int = 1_000) -> None:
        self.name = f"feast {peer.version}"
        command = [str(peer.python), str(_PROGRAMS / "feast_reads.py"), str(folder), str(features), str(keys)]
        environment = peer.environment(FEAST_USAGE="False")
        self._log = (folder.parent / "feast.log").open("w+")
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        if self._line() != "ready":
            self.close()
            raise PeerUnavailable((folder.parent / "feast.log").read_text()[-1500:])

    def reads(self, count: int) -> dict[str, float]:
        """The medians of so many reads."""
        assert self._process.stdin is not None
        print(count, file=self._process.stdin, flush=True)
        figures: dict[str, float] = json.loads(self._line())
        return figures

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._log.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def fastest(servers: Sequence[Server], seconds: float) -> tuple[Server, dict[str, Any]]:
    """The form of input that takes least CPU, of those that answer, and the figures of all.

    Raises PeerUnavailable when none answers.
    """
    figures = {}
    for server in servers:
        load(server, connections=1, seconds=0.5)
        figures[server.name] = load(server, connections=1, seconds=seconds)
    answering = [server for server in servers if not figures[server.name]["failed"]]
    if not answering:
        raise PeerUnavailable(f"No form of input is answered: {figures}")
    return min(answering, key=lambda server: figures[server.name]["CPU µs"]), figures
