"""Processes that open the Dagster instance of a fresh DAGSTER_HOME at the same time.

`python -m ml_platform_tests.orchestration.home_openers HOW`: each line that it reads is a folder. It says that it is
ready, waits for the file `go` in the folder, opens the instance, stores a run and answers "opened", or what went wrong.
"""

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ml_platform.orchestration.instances import opened_instance

OPENING = {"ours": opened_instance, "dagster": dg.DagsterInstance.get}


@dg.op
def rest() -> None:
    """Do nothing."""


@dg.job
def nothing() -> None:
    """A job whose runs are stored and not executed."""
    rest()


@contextmanager
def started_openers(size: int, how: str) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes that open instances as `OPENING[how]` does; ended at the end."""
    command = [sys.executable, "-m", "ml_platform_tests.orchestration.home_openers", how]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(size)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=20)


def opened_at_once(processes: Sequence[subprocess.Popen[str]], home: Path) -> list[str]:
    """What each process answers when all of them open one DAGSTER_HOME at the same moment."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{home}\n")
        process.stdin.flush()
    assert [_line(process) for process in processes] == ["ready"] * len(processes)
    (home / "go").touch()
    return [_line(process) for process in processes]


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _open(home: Path, how: str) -> str:
    os.environ["DAGSTER_HOME"] = str(home)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not (home / "go").exists():
        time.sleep(0.0005)  # all of them look as often: what is tried is that they begin at once
    try:
        with OPENING[how]() as instance:
            run = instance.create_run_for_job(nothing)
            instance.report_engine_event("opened", run)
            instance.all_instigator_state()
            assert instance.get_run_by_id(run.run_id) is not None
    except Exception:  # told to the test, which fails with it
        return " ".join(traceback.format_exc().split())
    return "opened"


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{_open(Path(line.strip()), sys.argv[1])}\n")
        sys.stdout.flush()
