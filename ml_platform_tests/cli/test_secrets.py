"""No credential is in anything that the platform prints, stores or sends, whatever goes wrong (twenty kinds)."""

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Never
from urllib.parse import quote

import pytest

from ml_platform.discovery import find
from ml_platform.orchestration.runner import RunFailed, Runner
from ml_platform.runtime import step_alerts
from ml_platform.settings import Settings
from ml_platform_tests.cli.terminal import invoke
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.world import world

# No word of the platform's own, and each piece is one by which a message would give it away.
PIECES = ("zebra", "quagga", "okapi")


@pytest.fixture
def terminal(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., str]]:
    """Runs a command; at the end of the test nothing printed, logged or stored may hold a piece of a secret."""
    caplog.set_level("DEBUG")
    printed: list[str] = []

    def run(*words: str, exit_code: int | None = None) -> str:
        result = invoke(*words)
        printed.append(result.output)
        if exit_code is not None:
            assert result.exit_code == exit_code, result.output
        return result.output

    yield run
    stored = [file for file in data_folder.parent.rglob("*") if file.is_file() and file.name != ".env"]
    written = {"the terminal": "\n".join(printed), "a log": caplog.text, **{str(file): _text(file) for file in stored}}
    leaks = [(where, piece) for where, text in written.items() for piece in PIECES if piece in text]
    assert leaks == []


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", errors="replace")


CATALOGS = {
    "nobody listens": "postgresql://ml:zebra%2Fquagga@127.0.0.1:1/lake",
    "nobody listens, in words": r"host=127.0.0.1 port=1 user=ml password='zebra quagga\'okapi' dbname=lake",
    "the socket does not exist": "postgresql://ml:zebra@/lake?host=/nowhere",
    "the machine's number is none": "hostaddr=300.1.2.3 user=ml password=zebra",
    "the encryption is none": "postgresql://ml:zebra@127.0.0.1:1/lake?sslmode=okay",
    "the certificate's password": "postgresql://ml@127.0.0.1:1/lake?sslmode=require&sslpassword=zebra&password=quagga",
    "a time that is none": "host=127.0.0.1 password=zebra connect_timeout=soon",
    "a slash that is not encoded": "postgresql://ml:zebra/quagga@127.0.0.1:1/lake",
    "an at that is not encoded": "postgresql://ml:zebra@quagga@127.0.0.1:1/lake",
    "a percent sign that encodes nothing": "postgresql://ml:zebra%quagga@127.0.0.1:1/lake",
    "a slash and a question mark": "postgresql://ml:zebra/quagga?okapi@127.0.0.1:1/lake",
    "a misspelt scheme": "postgress://ml:zebra@127.0.0.1/lake",
    "a blank in a word": "host=127.0.0.1 password=zebra quagga user=ml",
    "a quote without end": "host=127.0.0.1 password='zebra quagga user=ml",
    "a misspelt word": "host=127.0.0.1 pasword=zebra",
    "a port that is none": "postgresql://ml@127.0.0.1:zebra/lake",
}


@pytest.mark.parametrize("kind", CATALOGS)
def test_a_catalog_that_cannot_be_opened_is_told_without_its_password(
    kind: str, terminal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_CATALOG", CATALOGS[kind])
    for words in (["sql", "FROM duckdb_databases()"], ["run", "trip_delay"], ["doctor", "--json"]):
        terminal(*words, exit_code=1)


@pytest.mark.parametrize("answer", [b"", b"E\x00\x00\x00\x08SFAT\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_hangs_up_or_speaks_another_language_is_told_without_the_password(
    answer: bytes, terminal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _server_that_says(answer) as port:
        monkeypatch.setenv("ML_PLATFORM_CATALOG", f"postgresql://ml:zebra@127.0.0.1:{port}/lake?sslmode=disable")
        terminal("sql", "FROM duckdb_databases()", exit_code=1)
        terminal("run", "trip_delay", exit_code=1)


@contextmanager
def _server_that_says(answer: bytes) -> Iterator[int]:
    """A server on loopback that reads one packet, answers and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:  # closed: the test is over
                    return
                with caller:
                    caller.recv(10_000)
                    caller.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_name_that_is_nearly_a_setting_is_told_without_its_value(
    terminal: Callable[..., str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_folder.parent)
    (data_folder.parent / ".env").write_text("ML_PLATFORM_ALERT=json://zebra\n")
    monkeypatch.setenv("ML_PLATFORM_CATALOGUE", "postgresql://ml:quagga@h/x")
    assert "ML_PLATFORM_CATALOG?" in terminal("doctor")


def test_a_channel_that_is_down_is_told_without_its_address(
    terminal: Callable[..., str], platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (platform / "landing" / "trips" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
    addresses = ["json://me:zebra@127.0.0.1:1/quagga77/x?key=okapi", "nosuch://zebra", "mailto://me:zebra@127.0.0.1:1"]
    monkeypatch.setenv("ML_PLATFORM_ALERTS", json.dumps(addresses))
    with closing(world(platform, trips_and_churn.trip_delay, trips_and_churn.churn)) as opened:
        outcome = opened.step("raw/trips", "all")
        step_alerts.raise_alerts(opened.ws, "raw/trips", "all", outcome, kind="check", run_id="run", say=print)
    assert terminal("alerts", "--deliver").count("; failed (") == 3
    terminal("alerts", "--json")
    monkeypatch.setenv("ML_PLATFORM_ALERTS", '["json://me:zebra@h", quagga]')
    terminal("doctor", exit_code=1)


def test_an_error_of_a_run_that_quotes_the_address_is_stored_by_dagster_without_it(
    terminal: Callable[..., str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgresql://ml:zebra%2Fquagga@h/x"

    def lost(*_: object, **__: object) -> Never:
        """As a library does that quotes what it was given."""
        error = sqlite3.OperationalError(f"near {json.dumps({'dsn': address, 'password': 'zebra/quagga'})}")
        error.add_note(f"password {'zebra/quagga'!r}")
        raise error from ValueError(quote(address))

    with closing(world(data_folder, trips_and_churn.trip_delay)) as landing:
        landing.land_trips("2024-01")
    settings = Settings()
    Settings.model_validate({"catalog": address})  # whose secret this process knows from now on
    monkeypatch.setattr("ml_platform.steps.tables.raw.ingest", lost)
    with pytest.raises(RunFailed) as failed:
        Runner(find("trip_delay", settings), settings, lambda *_: None).run("data", "2024-01", only=[["raw", "trips"]])
    assert "Error: " in str(failed.value) and not any(piece in str(failed.value) for piece in PIECES)
    history = "".join(_text(file) for file in Path(os.environ["DAGSTER_HOME"]).rglob("*.db*"))
    assert "Its details held a credential and are left out" in history


def test_what_a_run_leaves_is_readable_by_its_owner_only(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = os.umask(0o022)
    request.addfinalizer(lambda: os.umask(before))
    home = Path(os.environ["DAGSTER_HOME"])
    home.chmod(0o755)
    with closing(world(data_folder, trips_and_churn.trip_delay)) as landing:
        landing.land_trips("2024-01")
    settings = Settings()
    Runner(find("trip_delay", settings), settings, lambda *_: None).run("data", "2024-01", only=[["raw", "trips"]])
    private = [home, *(home / "history").rglob("*.db*"), *(home / "schedules").rglob("*.db*")]
    private += [path for path in (home / "storage").rglob("*") if path.is_file()]
    private += settings.lake.glob("state.sqlite*")
    assert len(private) > 5
    assert {str(path): oct(path.stat().st_mode & 0o077) for path in private if path.stat().st_mode & 0o077} == {}


def test_a_file_of_settings_that_others_may_read_is_told_when_it_holds_a_credential(
    terminal: Callable[..., str], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_folder.parent)
    (data_folder.parent / ".env").write_text("ML_PLATFORM_ALERTS=json://me:zebra@127.0.0.1:1/x\n")
    (data_folder.parent / ".env").chmod(0o644)
    assert "chmod 600" in terminal("doctor")
    (data_folder.parent / ".env").chmod(0o600)
    assert "chmod 600" not in terminal("doctor")
