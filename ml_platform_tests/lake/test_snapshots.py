import duckdb
import polars as pl
import pytest

from ml_platform.lake import snapshots
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, _commit, write


def test_every_commit_is_a_data_version_that_can_be_read_later(lake: Lake) -> None:
    numbers = []
    for value in (1, 2):
        with write(lake, Author("s/t", "a")) as tx:
            tx.replace("s", "t", pl.DataFrame({"v": [value] * 50}), partition="a")
        numbers.append(tx.snapshot)
    assert numbers == [snapshots.current(lake) - 1, snapshots.current(lake)]
    assert lake.rows(f"SELECT DISTINCT v FROM s.t AT (VERSION => {numbers[0]})") == [(1,)]


def test_a_commit_says_who_wrote_what_from_which_key(lake: Lake) -> None:
    with write(lake, Author("validated/flights", "2013-01", "key", "run"), {"files": 3}) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [1]}), partition="2013-01")
    (newest,) = snapshots.history(lake, limit=1)
    assert newest.what == "validated/flights 2013-01"
    assert newest.info["content_key"] == "key"
    assert newest.info["files"] == 3
    assert (newest.number, newest.info["run_id"]) == (tx.snapshot, "run")


def test_a_commit_that_landed_unheard_is_found_by_its_mark(lake: Lake) -> None:
    # The first COMMIT lands; whoever did not hear of it commits again, and is told where it is.
    connection = lake.connection
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE s AS SELECT 1 AS v")
    connection.execute("CALL lake.set_commit_message('a', 'b', extra_info => '{\"commit\": \"mark\"}')")
    connection.execute("COMMIT")
    before = snapshots.current(lake)
    _commit(lake, "mark")
    assert snapshots.current(lake) == before
    with pytest.raises(duckdb.Error, match="no transaction is active"):
        _commit(lake, "another mark")
