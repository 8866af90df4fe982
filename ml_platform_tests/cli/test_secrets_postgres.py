"""No credential is in anything that is printed or stored over the life of a lake on a PostgreSQL server."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ml_platform.settings import Settings
from ml_platform_tests.cli.terminal import RunningCommand, start_command
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.postgres_server import Server, running_server
from ml_platform_tests.world import world

# Slow: they need PostgreSQL's server programs. `test_secrets` covers the same without a server.
pytestmark = pytest.mark.slow

PASSWORD = "zebra/quagga o'kapi"
PIECES = ("zebra", "quagga", "kapi")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(PASSWORD) as running:
        yield running


@pytest.fixture
def address(server: Server, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database of this test, in the environment."""
    name = f"lake{abs(hash(data_folder))}"
    with psycopg.connect(_words(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = f"postgresql://ml:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{name}"
    monkeypatch.setenv("ML_PLATFORM_CATALOG", url)
    with closing(world(data_folder, trips_and_churn.churn)) as landing:
        landing.land_churn()
    return url


def _words(server: Server, name: str) -> str:
    return make_conninfo(host="127.0.0.1", port=server.port, user="ml", password=PASSWORD, dbname=name)


def test_a_server_that_is_restarted_under_runs_gives_nothing_away(
    server: Server, address: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []

    def run(*words: str) -> int:
        exit_code, out, err = start_command(*words).end(120)
        printed.append(out + err)
        return exit_code

    for how in (signal.SIGINT, signal.SIGQUIT):
        command = start_command("run", "churn")
        printed.append(_until_it_works(command))
        printed.append(_process_list())
        server.stop(how)
        server.start()
        _, out, err = command.end(120)
        printed += [out, err]
    command = start_command("run", "churn")
    printed.append(_until_it_works(command))
    _end_backends(address)
    printed += command.end(120)[1:]
    assert run("run", "churn") == 0, printed[-1]
    for query in ("FROM duckdb_databases()", "FROM duckdb_secrets()", "FROM duckdb_settings()", "FROM nowhere"):
        run("sql", query, "--json")
    for words in (["status", "--json"], ["doctor", "--json"], ["alerts", "--json"]):
        run(*words)
    for wrong in (
        address.replace("zebra", "zebra%20zebra"),  # another password
        f"{address}x",  # another database
        f"{address}?options=-c%20default_transaction_read_only%3Don",
        _words(server, "nowhere"),
    ):
        monkeypatch.setenv("ML_PLATFORM_CATALOG", wrong)
        for words in (["sql", "FROM duckdb_databases()"], ["run", "churn"], ["doctor", "--json"]):
            run(*words)
    home = Path(os.environ["DAGSTER_HOME"])
    files = [file for folder in (home, data_folder) for file in folder.rglob("*") if file.is_file()]
    written = {str(file): file.read_bytes().decode("utf-8", errors="replace") for file in files}
    written |= {"printed": "\n".join(printed), "the database": _content(address)}
    assert [(where, piece) for where, text in written.items() for piece in PIECES if piece in text] == []


def _until_it_works(command: RunningCommand) -> str:
    """What a run prints until its first step begins."""
    assert command.process.stdout is not None
    return command.process.stdout.readline()


def _process_list() -> str:
    """The command lines of all processes, as everybody on the machine sees them."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it ended meanwhile
            continue
    return "\n".join(line for line in lines if "pytest" not in line)


def _end_backends(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


def _content(address: str) -> str:
    """Every row of the catalog and the operational state."""
    with psycopg.connect(address) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(tables) > 20
        rows = [row for (table,) in tables for row in connection.execute(f"SELECT t::text FROM {table} t".encode())]
    return "\n".join(text for (text,) in rows)


def test_the_settings_of_this_test_hold_the_password_that_is_looked_for(address: str) -> None:
    assert "zebra" in Settings().catalog.get_secret_value()
