"""`ml_platform.LakeDuckDB`: any asset of the project queries the lake, and none can write it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster_duckdb import DuckDBResource

from ml_platform import LakeDuckDB
from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.settings import Settings

COUNT = "SELECT count(*) FROM lake.validated.trips"


@pytest.fixture(autouse=True)
def lake(february: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two months of trips, which these tests read only; the environment names them."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(february))
    monkeypatch.setenv("ML_PLATFORM_THREADS", "1")
    return february


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with LakeDuckDB().get_connection() as opened:
        yield opened


def test_an_asset_queries_the_lake_through_it() -> None:
    @dg.asset
    def trips(lake: LakeDuckDB) -> dg.MaterializeResult[None]:
        with lake.get_connection() as opened:
            return dg.MaterializeResult(metadata={"trips": opened.execute(COUNT).fetchall()[0][0]})

    result = dg.materialize([trips], resources={"lake": LakeDuckDB()})
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["trips"].value == 800


def test_it_serves_where_dagster_duckdbs_resource_is_asked_for() -> None:
    @dg.asset
    def trips(duckdb: DuckDBResource) -> None:
        with duckdb.get_connection() as opened:
            assert opened.execute(COUNT).fetchall() == [(800,)]

    assert dg.materialize([trips], resources={"duckdb": LakeDuckDB()}).success


def test_the_lake_is_the_default_catalog_and_times_are_utc(connection: duckdb.DuckDBPyConnection) -> None:
    newest = connection.sql("SELECT max(ordered_at) FROM validated.trips")
    assert newest.fetchall()[0][0].tzinfo.zone == "UTC"
    assert connection.sql("SELECT current_catalog()").fetchall() == [("lake",)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO lake.validated.trips SELECT * FROM lake.validated.trips",
        "UPDATE lake.validated.trips SET km = 0",
        "DELETE FROM lake.validated.trips",
        "CREATE TABLE lake.validated.mine (a INTEGER)",
        "CREATE SCHEMA lake.mine",
        "DROP TABLE lake.validated.trips",
        "ALTER TABLE lake.validated.trips ADD COLUMN mine INTEGER",
        "CALL ducklake_expire_snapshots('lake', older_than => now())",
        "DELETE FROM __ducklake_metadata_lake.ducklake_table",
    ],
)
def test_nothing_can_be_written_to_the_lake(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with pytest.raises(duckdb.Error, match="read-only"):
        connection.execute(statement)


def test_temporary_tables_and_other_databases_stand_beside_the_lake(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    connection.execute("CREATE TEMP TABLE far AS SELECT trip FROM lake.validated.trips WHERE km > 10")
    connection.execute(f"ATTACH '{tmp_path / 'mine.duckdb'}' AS mine")
    connection.execute("CREATE TABLE mine.far AS FROM far")
    assert connection.sql("SELECT count(*) > 0 FROM mine.far").fetchall() == [(True,)]


def test_the_connection_is_closed_after_the_body_also_when_it_raises() -> None:
    with LakeDuckDB().get_connection() as done:
        pass
    with pytest.raises(ZeroDivisionError), LakeDuckDB().get_connection() as failed:
        1 / 0  # noqa: B018  # raising is its purpose
    for opened in (done, failed):
        with pytest.raises(duckdb.ConnectionException):
            opened.execute(COUNT)


def test_two_assets_use_it_at_once_while_a_run_writes(
    february: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    author = Author("s/t", "a", "key", "run")
    both, counts = threading.Barrier(2), []

    def ask(resource: LakeDuckDB) -> None:
        with resource.get_connection() as opened:
            both.wait(30)
            counts.append(opened.execute("SELECT count(*) FROM lake.s.t").fetchall()[0][0])
            both.wait(30)

    with Lake(Settings()) as writer:
        with write(writer, author) as tx:
            tx.replace("s", "t", writer.frame("SELECT 1 AS v FROM range(5)"), partition="a")
        with write(writer, author) as tx:
            tx.replace("s", "t", writer.frame("SELECT 2 AS v FROM range(7)"), partition="a")
            resource = LakeDuckDB()
            readers = [threading.Thread(target=ask, args=(resource,)) for _ in range(2)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(60)
        assert counts == [5, 5]
        with resource.get_connection() as opened:
            assert opened.execute("SELECT count(*) FROM lake.s.t").fetchall() == [(7,)]


def test_its_options_take_precedence_over_the_settings() -> None:
    with LakeDuckDB(connection_config={"threads": 3, "memory_limit": "1GB"}).get_connection() as opened:
        options = opened.sql("SELECT current_setting('threads'), current_setting('memory_limit')").fetchall()
    assert options == [(3, "953.6 MiB")]


def test_a_database_file_is_refused() -> None:
    with pytest.raises(ValueError, match="use a DuckDBResource for a database file"):
        LakeDuckDB(database="mine.duckdb")


def test_without_a_lake_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "nothing"))
    with pytest.raises(LakeError, match="There is no lake in"), LakeDuckDB().get_connection():
        pass
    assert not (tmp_path / "nothing").exists()
