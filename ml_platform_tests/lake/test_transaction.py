import threading
import uuid

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from ml_platform.errors import LakeError
from ml_platform.lake import data_files, file_hashes
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, Rows, stage, write
from ml_platform.settings import Settings

AUTHOR = Author("s/t", "2013-01", "key", "run")
TYPES = """
SELECT v::DOUBLE AS d, v::FLOAT AS f, w AS ts, n::VARCHAR AS s, x::DECIMAL(10, 2) AS dec, l, st, b, date::DATE AS da
FROM (VALUES
 (1.0, TIMESTAMPTZ '2013-01-01 00:00:00.000001+00', 'a', 1.5, [1, 2], {'x': 1, 'y': 'q'}, true, '2013-01-01'),
 ('nan'::DOUBLE, TIMESTAMPTZ '9999-12-31 23:59:59+00', 'ü😀', 2.5, [], {'x': NULL, 'y': NULL}, NULL, '1700-01-01'),
 ('-inf'::DOUBLE, NULL, NULL, NULL, NULL, NULL, false, NULL)) t(v, w, n, x, l, st, b, date)
"""


def put(lake: Lake, rows: Rows, partition: str | None = "2013-01", *, evolve: bool = False, table: str = "t") -> int:
    with write(lake, AUTHOR) as tx:
        return tx.replace("s", table, rows, partition=partition, evolve=evolve)


def values(lake: Lake) -> list[tuple[object, ...]]:
    return lake.rows("SELECT _partition, v FROM s.t ORDER BY ALL")


def rows_of(lake: Lake, kind: str, sql: str) -> Rows:
    return stage(lake, sql) if kind == "staged" else lake.frame(sql)


@pytest.mark.parametrize("kind", ["frame", "staged"])
def test_replacing_a_partition_leaves_the_others_alone(lake: Lake, kind: str) -> None:
    put(lake, rows_of(lake, kind, "SELECT 1 AS v FROM range(100)"), "2013-01")
    put(lake, rows_of(lake, kind, "SELECT 2 AS v FROM range(100)"), "2013-02")
    assert put(lake, rows_of(lake, kind, "SELECT 3 AS v FROM range(7)"), "2013-01") == 7
    assert lake.rows("SELECT _partition, v, count(*) FROM s.t GROUP BY ALL ORDER BY ALL") == [
        ("2013-01", 3, 7),
        ("2013-02", 2, 100),
    ]


_WRITES = st.tuples(
    st.sampled_from(["replace", "append"]),
    st.sampled_from(["2013-01", "2013-02", "a b=c/%"]),
    st.integers(0, 15),  # rows; few stay in the catalog where it takes any
    st.booleans(),  # staged
)


@pytest.mark.parametrize("schema", ["s", "platform"])  # rows in files only; a few rows in the catalog, too
@tried(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions=st.lists(st.lists(_WRITES, min_size=1, max_size=3), max_size=4))
def test_partitions_hold_what_was_replaced_and_appended_within_and_across_transactions(
    lake: Lake, schema: str, transactions: list[list[tuple[str, str, int, bool]]]
) -> None:
    table, expected, number = f"t{uuid.uuid4().hex}", dict[str, list[int]](), 0
    for writes in transactions:
        with write(lake, AUTHOR) as tx:
            for how, partition, count, staged in writes:
                number += 1
                rows = rows_of(lake, "staged" if staged else "frame", f"SELECT {number} AS v FROM range({count})")
                getattr(tx, how)(schema, table, rows, partition=partition)
                expected[partition] = (expected.get(partition, []) if how == "append" else []) + [number] * count
    naive = sorted((partition, value) for partition, values in expected.items() for value in values)
    assert naive == (lake.rows(f"SELECT _partition, v FROM {schema}.{table} ORDER BY ALL") if transactions else [])
    for partition, values in expected.items():
        assert data_files.may_hold_rows(lake, schema, table, partition) or not values


def test_a_partition_without_a_data_file_holds_no_rows(lake: Lake) -> None:
    put(lake, lake.frame("SELECT 1 AS v"), "2013-01")
    assert data_files.may_hold_rows(lake, "s", "t", "2013-01") and data_files.may_hold_rows(lake, "s", "t")
    assert not data_files.may_hold_rows(lake, "s", "t", "2013-02")
    assert not data_files.may_hold_rows(lake, "s", "u")


@pytest.mark.parametrize("kind", ["frame", "staged"])
def test_a_partition_replaced_by_no_rows_is_empty(lake: Lake, kind: str) -> None:
    put(lake, rows_of(lake, kind, "SELECT 1 AS v FROM range(100)"))
    assert put(lake, rows_of(lake, kind, "SELECT 1 AS v FROM range(0)")) == 0
    assert values(lake) == []


@pytest.mark.parametrize("partition", [None, "all", "2013", "2013-01", "a b=c/%"])
def test_staged_rows_are_those_that_an_insert_would_have_written(lake: Lake, partition: str | None) -> None:
    # S13: bits, not about; filters too, which read the statistics of the files.
    for table, rows in (("inserted", lake.frame(TYPES)), ("registered", stage(lake, TYPES))):
        put(lake, rows, partition, table=table)
    for question in (
        "SELECT * FROM {} ORDER BY ALL",
        "SELECT count(*) FROM {} WHERE d > 5",
        "SELECT max(d), min(ts), max(s) FROM {}",
        "SELECT count(*) FROM {} WHERE ts > '9000-01-01'",
        "SELECT count(*) FROM {} WHERE da < '1800-01-01'",
        "SELECT count(*) FROM {} WHERE s IS NULL",
        "SELECT count(*) FROM {} WHERE st.x = 1",
        "DESCRIBE {}",
    ):
        inserted, registered = (str(lake.rows(question.format(f"s.{t}"))) for t in ("inserted", "registered"))
        assert inserted == registered


def test_the_same_staged_rows_may_go_to_two_tables(lake: Lake) -> None:
    staged = stage(lake, "SELECT 1 AS v FROM range(20)")
    with write(lake, AUTHOR) as tx:
        tx.replace("s", "one", staged, partition="a")
        tx.append("s", "two", staged)
    assert lake.rows("SELECT count(*) FROM s.one UNION ALL SELECT count(*) FROM s.two") == [(20,), (20,)]
    assert not staged.path.exists()


def test_nothing_of_a_write_remains_when_its_body_raises(lake: Lake) -> None:
    put(lake, pl.DataFrame({"v": [1]}))
    files = set(lake.folder.rglob("*.parquet"))
    with pytest.raises(ZeroDivisionError), write(lake, AUTHOR) as tx:
        tx.replace("s", "t", stage(lake, "SELECT 2::BIGINT AS v FROM range(100)"), partition="2013-01")
        _ = 1 / 0
    assert values(lake) == [("2013-01", 1)]
    assert set(lake.folder.rglob("*.parquet")) == files


def test_an_error_in_sql_is_told_and_not_the_rollback_after_it(lake: Lake) -> None:
    with pytest.raises(Exception, match="nonsense"), write(lake, AUTHOR) as tx:
        tx.execute("SELECT nonsense")
    put(lake, pl.DataFrame({"v": [1]}))
    assert values(lake) == [("2013-01", 1)]


@pytest.mark.parametrize("kind", ["frame", "staged"])
def test_a_new_column_is_refused_by_accident_and_taken_on_purpose(lake: Lake, kind: str) -> None:
    put(lake, rows_of(lake, kind, "SELECT 1 AS v FROM range(2)"), "2013-01")
    wider = "SELECT 'x' AS w, 2 AS v FROM range(2)"
    with pytest.raises(LakeError, match=r"s\.t has no column 'w'"):
        put(lake, rows_of(lake, kind, wider), "2013-02")
    put(lake, rows_of(lake, kind, wider), "2013-02", evolve=True)
    put(lake, rows_of(lake, kind, "SELECT 3 AS v"), "2013-03")
    assert lake.rows("SELECT DISTINCT v, w FROM s.t ORDER BY v") == [(1, None), (2, "x"), (3, None)]


def test_a_changed_type_is_refused(lake: Lake) -> None:
    put(lake, pl.DataFrame({"v": [1]}))
    with pytest.raises(LakeError, match=r"s\.t\.v is BIGINT and the rows bring VARCHAR"):
        put(lake, pl.DataFrame({"v": ["1"]}), evolve=True)
    assert values(lake) == [("2013-01", 1)]


def test_a_sum_of_integers_is_refused_rather_than_rounded(lake: Lake) -> None:
    # S13: Parquet has no 128-bit integers, and DuckDB's writer makes doubles of them.
    with pytest.raises(LakeError, match="Cast it to BIGINT"):
        stage(lake, "SELECT sum(i) AS total FROM range(10) t(i)")


def test_rows_that_bring_the_partition_column_are_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match="which the write sets"):
        put(lake, pl.DataFrame({"v": [1], "_partition": ["x"]}))


def test_a_sliced_table_cannot_be_replaced_as_a_whole_by_accident(lake: Lake) -> None:
    put(lake, pl.DataFrame({"v": [1]}))
    with pytest.raises(LakeError, match=r"s\.t is partitioned"):
        put(lake, pl.DataFrame({"v": [1]}), None)


def test_a_write_inside_a_write_is_refused_at_once(lake: Lake, settings: Settings) -> None:
    with write(lake, AUTHOR) as tx:
        with pytest.raises(LakeError, match="would deadlock"), write(lake, Author("s/inner")):
            pass
        with Lake(settings) as other, pytest.raises(LakeError, match="would deadlock"), write(other, AUTHOR):
            pass
        tx.replace("s", "t", pl.DataFrame({"v": [5]}), partition="a")
    assert values(lake) == [("a", 5)]


def test_nothing_is_written_while_reads_are_held_at_one_snapshot(lake: Lake) -> None:
    put(lake, pl.DataFrame({"v": [1]}))
    with lake.reading():
        assert values(lake) == [("2013-01", 1)]
        with pytest.raises(LakeError, match="while it reads at one snapshot"):
            put(lake, pl.DataFrame({"v": [2]}))
        other = threading.Thread(target=put, args=(lake, pl.DataFrame({"v": [3]})))
        other.start()
        other.join()
        assert values(lake) == [("2013-01", 1)]
    assert values(lake) == [("2013-01", 3)]


def test_threads_that_share_a_lake_write_one_after_another_and_lose_nothing(lake: Lake) -> None:
    def work(me: int) -> None:
        for number in range(5):
            with write(lake, Author("s/t", run_id=str(me))) as tx:
                before = lake.value("SELECT coalesce(max(v), 0) FROM s.t")
                tx.append("s", "t", pl.DataFrame({"v": [before + 1], "who": [me], "number": [number]}))

    with write(lake, AUTHOR) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [0], "who": [0], "number": [0]}), partition=None)
    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.rows("SELECT count(*), count(DISTINCT v), max(v) FROM s.t") == [(21, 21, 20)]


def test_the_frames_of_a_transaction_are_let_go(lake: Lake) -> None:
    put(lake, pl.DataFrame({"v": [1]}))
    with pytest.raises(KeyError), write(lake, AUTHOR) as tx:
        tx.append("s", "t", pl.DataFrame({"v": [2]}), partition="2013-02")
        raise KeyError
    assert lake.rows("SELECT view_name FROM duckdb_views() WHERE view_name LIKE 'rows_%'") == []


def test_a_read_only_lake_is_not_written(lake: Lake, settings: Settings) -> None:
    with Lake(settings, read_only=True) as reader, pytest.raises(LakeError, match="read-only"), write(reader, AUTHOR):
        pass


def test_a_disk_that_fills_after_the_commit_keeps_the_rows_and_says_so(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_room(*arguments: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    with monkeypatch.context() as full:
        full.setattr(file_hashes, "note_committed", without_room)
        assert put(lake, pl.DataFrame({"v": [1]})) == 1, "the hashes can wait"
    assert len(file_hashes.without_hash(lake)) == 1
    said = r"is full: .* The rows are committed and not recorded yet\. Free space"
    with pytest.raises(LakeError, match=said), write(lake, AUTHOR) as tx:
        tx.append("s", "t", pl.DataFrame({"v": [2]}), partition="2013-02")
        tx.after_commit(without_room)
    assert lake.value("SELECT sum(v) FROM s.t") == 3
    file_hashes.tend(lake)
    assert file_hashes.without_hash(lake) == []
