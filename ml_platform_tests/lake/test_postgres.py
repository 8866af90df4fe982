"""The lake on a PostgreSQL catalog: a server of our own, on a free port of this machine."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text

from ml_platform.errors import LakeError, StateError
from ml_platform.lake import data_files, file_hashes, snapshots
from ml_platform.lake.connection import Lake
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.query import ask
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.results import Result
from ml_platform.state.stores import Stores, after
from ml_platform_tests.damage import flip_a_byte
from ml_platform_tests.lake.deletes import maintenance_loses_no_delete
from ml_platform_tests.lake.programs import finish, hear, kill, start
from ml_platform_tests.postgres_server import new_database, postgres_server

# Slow: they need PostgreSQL's server programs, which a plain `make test` does not ask for.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a running server."""
    with postgres_server() as port:
        yield port


@pytest.fixture
def settings(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The one setting, read from the environment; a database a test."""
    monkeypatch.setenv("ML_PLATFORM_CATALOG", new_database(server, f"lake{abs(hash(tmp_path))}"))
    return Settings(data=tmp_path / "data", lock_timeout=1, threads=2)


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    with closing(Workspace.open(settings, {})) as opened:
        yield opened


@pytest.fixture
def lake(stores: Stores) -> Lake:
    return stores.lake


def put(stores: Stores, partition: str, value: int = 1) -> int | None:
    lake, author = stores.lake, Author("s/t", partition, str(value), "run")
    with write(lake, author) as tx:
        tx.replace("s", "t", stage(lake, f"SELECT {value}::BIGINT AS v FROM range(100)"), partition=partition)
        after(tx, stores.state, lambda: ledger.record(stores.state, author, rows=100, result=Result()))
    return tx.snapshot


def test_the_lake_works_alike_on_postgresql(stores: Stores, lake: Lake, settings: Settings) -> None:
    first = put(stores, "a")
    put(stores, "b")
    assert put(stores, "a", 2) == snapshots.current(lake)
    content = [("a", 2, 100), ("b", 1, 100)]
    question = "SELECT _partition, v, count(*) FROM s.t GROUP BY ALL ORDER BY ALL"
    assert lake.rows(question) == content
    assert lake.rows(f"SELECT DISTINCT v FROM s.t AT (VERSION => {first})") == [(1,)]
    assert ledger.latest(stores.state, "s/t")["s/t", "a"].content_key == "2"
    assert [snapshot.info.get("run_id") for snapshot in snapshots.history(lake, limit=3)] == ["run"] * 3
    maintain(lake, keep_days=0)
    with Lake(settings, read_only=True) as reader:
        assert ask(reader, question).frame.rows() == content
    assert not (lake.folder / "write.lock").exists()


def test_four_processes_lose_nothing_on_postgresql(settings: Settings) -> None:
    writers = [start("commit_many", settings.data, str(me), "20") for me in range(4)]
    for writer in writers:
        finish(writer)
    with Lake(settings) as lake:
        assert lake.rows("SELECT count(*), count(DISTINCT (who, number)) FROM s.many") == [(80, 80)]


def test_a_killed_writer_gives_the_lock_back_on_postgresql(stores: Stores, lake: Lake, settings: Settings) -> None:
    put(stores, "a")
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    assert lake.rows("SELECT DISTINCT v FROM s.t") == [(1,)]
    with pytest.raises(LakeError, match="Another writer has held the lock of the PostgreSQL catalog for 1 s"):
        put(stores, "a", 2)
    kill(writer)
    with closing(Workspace.open(settings.model_copy(update={"lock_timeout": 20}), {})) as patient:
        put(patient, "a", 2)
    assert lake.rows("SELECT DISTINCT v FROM s.t") == [(2,)]


def test_a_damaged_partition_is_made_again_on_postgresql(stores: Stores, lake: Lake) -> None:
    put(stores, "a")
    for path in lake.tables.rglob("*.parquet"):
        path.unlink()
    assert data_files.set_aside_damaged(lake) == {data_files.TablePartition("s", "t", "a")}
    put(stores, "a", 2)
    assert data_files.unusable(lake) == set()
    assert lake.rows("SELECT DISTINCT v FROM s.t") == [(2,)]


def test_a_catalog_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    for address in ("host=127.0.0.1 port=1 user=ml password=sesame dbname=x", "postgresql://ml:sesame@127.0.0.1:1/x"):
        settings = Settings.model_validate({"data": tmp_path / "data", "catalog": address})
        with pytest.raises(LakeError, match="cannot be opened") as told:
            Lake(settings)
        assert "sesame" not in str(told.value)


def test_a_text_that_postgresql_cannot_hold_is_refused_with_its_remedy(stores: Stores) -> None:
    with pytest.raises(StateError, match=r"cannot hold a value: .*NUL.* Remove the value from its source"):
        ledger.record(stores.state, Author("a\0b", "1", "k"), rows=1, result=Result())
    assert ledger.history(stores.state, "a") == []


def test_a_connection_that_the_server_ends_is_a_fault_of_the_state_and_the_next_read_connects_anew(
    stores: Stores,
) -> None:
    end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    fault = pytest.raises(StateError, match=r"PostgreSQL schema ml_platform\) could not be read or written: .*terminat")
    with fault, stores.state.reading():
        ledger.history(stores.state, "a")
        with closing(State(stores.settings)) as other:
            other.rows(end)
        ledger.history(stores.state, "a")
    assert ledger.history(stores.state, "a") == []


def test_a_write_inside_a_write_is_refused_on_postgresql(lake: Lake, settings: Settings) -> None:
    refused = pytest.raises(LakeError, match="would deadlock")
    with Lake(settings) as other, write(lake, Author("outer")), refused, write(other, Author("inner")) as tx:
        tx.append("s", "t", pl.DataFrame({"v": [1]}))


def test_a_commit_beside_a_foreign_writer_that_takes_no_lock_never_sleeps_long(
    stores: Stores, lake: Lake, settings: Settings
) -> None:
    put(stores, "a")
    assert lake.value("SELECT current_setting('ducklake_retry_backoff')") == 1.0
    foreign = start("commit_without_lock", settings.data)
    assert hear(foreign) == "begun"
    longest = 0.0
    for number in range(15):
        began = time.monotonic()
        put(stores, "b", number)
        longest = max(longest, time.monotonic() - began)
    commits = int(finish(foreign).splitlines()[-1])
    assert commits > 5 and longest < 10
    assert lake.rows("SELECT DISTINCT v FROM s.t WHERE _partition = 'b'") == [(14,)]
    assert lake.value("SELECT count(*) FROM s.foreign_rows") == commits


def test_a_writer_whose_session_with_the_lock_has_ended_commits_nothing(stores: Stores, lake: Lake) -> None:
    put(stores, "a")
    lock = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    end = text(f"SELECT pg_terminate_backend(pid) FROM ({lock}) AS holder")
    refused = pytest.raises(LakeError, match=r"ended the session that held the write lock.*Run again")
    with refused, write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [7]}), partition="a")
        with stores.state.writing() as connection:
            connection.execute(end)
    assert lake.rows("SELECT DISTINCT v FROM s.t") == [(1,)]
    put(stores, "a", 2)
    assert lake.rows("SELECT DISTINCT v FROM s.t") == [(2,)]


def test_a_file_whose_bytes_changed_is_found_on_postgresql(stores: Stores, lake: Lake) -> None:
    put(stores, "a")
    assert file_hashes.changed(lake) == file_hashes.without_hash(lake) == []
    for path in lake.tables.rglob("*.parquet"):
        flip_a_byte(path)
    with pytest.raises(LakeError, match=r"other bytes than were committed: s\.t a"):
        file_hashes.check(lake, [("s", "t")])
    put(stores, "a", 2)
    maintain(lake, keep_days=0)
    assert file_hashes.changed(lake) == file_hashes.without_hash(lake) == [] == list(data_files.unusable(lake))


def test_maintenance_waits_for_a_write_and_loses_none_of_its_deletes_on_postgresql(
    stores: Stores, lake: Lake, settings: Settings
) -> None:
    maintenance_loses_no_delete(lake, settings)
