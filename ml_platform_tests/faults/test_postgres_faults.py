"""What a PostgreSQL server does to a run: the run goes on or fails with a message, and run again it ends alike."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.settings import Settings
from ml_platform.state import promotions
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.faults.conftest import Chance
from ml_platform_tests.faults.programs import world
from ml_platform_tests.faults.workers import Worker, started_workers
from ml_platform_tests.postgres_server import Server, new_database, running_server

# Slow: they need PostgreSQL's server programs, which a plain `make test` does not ask for.
pytestmark = pytest.mark.slow

NAME = trip_pipelines.APART
THROUGH = "2024-01"
REPEATS = 3
# What the command line shows as one line with its remedy (`cli.command`).
MESSAGES = ("ml_platform.errors.", "_duckdb.", "duckdb.")


def _restart(server: Server) -> None:
    server.restart()


def _pause(server: Server) -> None:
    server.signal_sessions(signal.SIGSTOP)
    time.sleep(3)  # how long the network says nothing
    server.signal_sessions(signal.SIGCONT)


def _end_sessions(server: Server) -> None:
    server.signal_sessions(signal.SIGTERM)


def _kill_a_session(server: Server) -> None:
    server.signal_sessions(signal.SIGKILL)  # the server ends all others, too, and recovers


FAULTS: dict[str, Callable[[Server], None]] = {
    "the server restarts": _restart,
    "the network pauses": _pause,
    "sessions are ended": _end_sessions,
    "a session is killed": _kill_a_session,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, float]:
    folder = tmp_path_factory.mktemp("undisturbed") / "data"
    with pytest.MonkeyPatch.context() as patch, _platform(patch, server, folder, "undisturbed") as worker:
        began = _begun(worker, folder)
        worker.result()
        seconds = time.monotonic() - began
        return _contents(folder), seconds


@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_goes_on_or_fails_with_a_message_and_run_again_ends_alike(
    fault: str,
    repeat: int,
    server: Server,
    undisturbed: tuple[Any, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chance: Chance,
) -> None:
    expected, seconds = undisturbed
    folder, name = tmp_path / "data", f"f{abs(hash(tmp_path))}"
    with _platform(monkeypatch, server, folder, name) as worker:
        began = _begun(worker, folder)
        moment = chance(repeat).uniform(0.05, 0.9) * seconds
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is tried
        FAULTS[fault](server)
        try:
            worker.result()
            print("it went on")  # noqa: T201 — for whoever looks at the output
        except AssertionError as failed:
            last = str(failed).strip().splitlines()
            raised = next(line for line in reversed(last) if line.startswith(MESSAGES))
            print(raised)  # noqa: T201 — as above
        server.wait_until_ready()
        worker.send("run", folder, THROUGH)  # the same process, as a daemon has one
        worker.result()
    assert _contents(folder) == expected


@contextmanager
def _platform(patch: pytest.MonkeyPatch, server: Server, folder: Path, name: str) -> Iterator[Worker]:
    """A worker whose lake is on a database of its own."""
    patch.setenv("ML_PLATFORM_CATALOG", new_database(server.port, name))
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        made.land_trips("2024-01", "2024-02")
    with started_workers(1) as (worker,):
        yield worker


def _begun(worker: Worker, folder: Path) -> float:
    worker.send("run", folder, THROUGH)
    assert worker.next_message() == {"began": True}
    return time.monotonic()


def _contents(folder: Path) -> Any:
    """Rows, content keys and champions; nothing is left to be made, and nothing is there twice."""
    with closing(world(folder, trip_pipelines.trips(NAME))) as made:
        assert made.planned(THROUGH) == [], "something is stale"
        assert lake_contents.duplicate_keys(made.ws.lake, [NAME]) == {}
        assert lake_contents.unfinished(made.ws.state) == []
        assert lake_contents.recorded_twice(made.ws.state) == []
        log = [entry.version for entry in promotions.history(made.ws.state, NAME)]
        return lake_contents.rows_by_part(made.ws.lake), lake_contents.keys(made.ws.state), log


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "the network pauses"])
def test_a_lake_that_stays_open_goes_on_once_the_server_is_back(
    fault: str, read_only: bool, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_CATALOG", new_database(server.port, f"o{abs(hash(tmp_path))}"))
    settings = Settings(data=tmp_path / "data", threads=1, lock_timeout=20)
    rows = pl.DataFrame({"v": range(100)})
    with Lake(settings) as writer, Lake(settings, read_only=read_only) as lake:
        with write(writer, Author("s/t")) as tx:
            tx.append("s", "t", rows)
        assert lake.value("SELECT count(*) FROM s.t") == 100
        FAULTS[fault](server)
        failures = []
        while True:
            try:
                with lake.reading():
                    assert lake.value("SELECT count(*) FROM s.t") == 100
                if not read_only:
                    with write(lake, Author("s/t")) as tx:
                        tx.append("s", "t", rows)
                break
            except (LakeError, duckdb.Error) as error:
                failures.append(str(error))
                assert len(failures) < 20, failures
                time.sleep(0.1)  # the server recovers
    print(failures)  # noqa: T201 — for whoever looks at the output
