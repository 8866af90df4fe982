"""`ml-platform serve` as a process of its own over a world's folder."""

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ml_platform_tests.world import World

STARTING = 60.0  # seconds


@contextmanager
def served(
    data: Path,
    declarations: str,
    *options: str,
    ready_with: int = 200,
    verify: ssl.SSLContext | bool = True,
    **settings: str,
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a service whose /readyz has that code, and its process; SIGTERM ends it with the context.

    `settings` are further variables of its environment.
    """
    environment = {
        **os.environ,
        **settings,
        "ML_PLATFORM_DATA": str(data),
        "ML_PLATFORM_PIPELINES": f'["{declarations}"]',
        "ML_PLATFORM_ONLINE_DAYS": "365",
        "PYTHONPATH": str(Path(__file__).parents[2]),  # the declarations of tests are not installed
    }
    command = [sys.executable, "-m", "ml_platform.cli.main", "serve", "--port", "0", *options]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, cwd=data) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Service: "), line
            url = line.removeprefix("Service: ").strip()
            ready(url, ready_with, verify)
            yield url, process
        finally:
            process.terminate()
            process.wait(40)


def ready(url: str, code: int = 200, verify: ssl.SSLContext | bool = True) -> None:
    """Wait until predictions can be asked for, or until /readyz answers with another code."""
    deadline = time.monotonic() + STARTING
    while True:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=5, verify=verify)
            if answer.status_code == code:
                return
            reason = answer.text
        except httpx.TransportError as error:  # it does not listen yet
            reason = str(error)
        assert time.monotonic() < deadline, f"The service did not become ready: {reason}"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The worker processes of a service."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in listed if "rest.worker" in Path(f"/proc/{one}/cmdline").read_text()]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "It did not happen."
        time.sleep(0.01)


def json_rows(world: World, count: int) -> list[dict[str, Any]]:
    """Examples of February as JSON, with the score of the batch as `_score`."""
    pipeline = world.pipeline
    inputs = ", ".join(f"f.{name}" for name in pipeline.row_schema)
    key = pipeline.examples.keys[0]
    frame = world.ws.lake.frame(
        f"SELECT {inputs}, p.score AS _score FROM {pipeline.name}.features f JOIN {pipeline.name}.predictions p "
        f"ON p.key = CAST(f.{key} AS VARCHAR) AND p._partition = f._partition WHERE f._partition = '2024-02' "
        f"ORDER BY f.{pipeline.examples.at}, f.{key} LIMIT {count}"
    )
    return [
        {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]
