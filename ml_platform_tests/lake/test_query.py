import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_platform.errors import LakeError, QuestionRefused
from ml_platform.lake import query_functions
from ml_platform.lake.connection import Lake
from ml_platform.lake.query import ask
from ml_platform.settings import Settings
from ml_platform_tests.lake.programs import both_halves, finish, hear, start


@pytest.fixture(scope="module")
def reader(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake for all questions: none of them changes it."""
    settings = Settings(data=tmp_path_factory.mktemp("questions") / "data", threads=2)
    shutil.copytree(empty_lake, settings.lake)
    with Lake(settings) as lake:
        both_halves(lake, 1)
    with Lake(settings, read_only=True) as opened:
        yield opened


@pytest.fixture
def reader_of_its_own(lake: Lake, settings: Settings) -> Iterator[Lake]:
    """For a test whose lake changes, or whose DuckDB fails."""
    both_halves(lake, 1)
    with Lake(settings, read_only=True) as opened:
        yield opened


def test_an_answer_is_cut_at_the_limit_and_says_so(reader: Lake) -> None:
    answer = ask(reader, "SELECT v AS x, _partition FROM s.t ORDER BY _partition DESC -- the end", limit=10)
    assert (answer.frame.height, answer.more) == (10, True)
    assert answer.types == {"x": "BIGINT", "_partition": "VARCHAR"}
    assert answer.frame["_partition"].unique().to_list() == ["b"]
    assert not ask(reader, "FROM s.t", limit=1000).more
    assert ask(reader, "FROM s.t", limit=None).frame.height == 1000


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW ALL TABLES",
        "DESCRIBE s.t",
        "SUMMARIZE s.t",
        "EXPLAIN FROM s.t",
        "explain analyze SELECT 1",
        "/* why; DELETE */ EXPLAIN FROM s.t",
        "-- why\n EXPLAIN -- and\n ANALYZE /* so */ FROM s.t",
        "EXPLAIN (FORMAT json) SELECT 1",
        "EXPLAIN (SELECT 1) UNION (SELECT 2)",
        "WITH a AS (SELECT 1) FROM a",
        "VALUES (1)",
        "FROM lake.snapshots()",
        "SELECT * FROM s.t AT (VERSION => {newest})",
    ],
)
def test_every_kind_of_reading_is_answered(reader: Lake, sql: str) -> None:
    newest = reader.value("SELECT max(snapshot_id) FROM lake.snapshots()")
    assert ask(reader, sql.replace("{newest}", str(newest))).frame.width > 0


@pytest.mark.parametrize("moment", ["VERSION => 100", "TIMESTAMP => TIMESTAMP '2001-01-01'"])
def test_where_a_snapshot_is_missing_the_answer_says_how_to_list_them(reader: Lake, moment: str) -> None:
    with pytest.raises(QuestionRefused, match=r"No snapshot found at \w+ [-\d :]+\. `(.+)` lists those") as refusal:
        ask(reader, f"SELECT * FROM s.t AT ({moment})")
    (listing,) = re.findall(r"`(SELECT [^`]+)`", refusal.value.remedy)
    assert ask(reader, listing).frame.height > 1


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM s.t",
        "INSERT INTO s.t VALUES (1, 'a')",
        "WITH a AS (SELECT 1) INSERT INTO s.t FROM a",
        "COPY s.t TO 'out.csv'",
        "ATTACH 'x.db'",
        "SET threads = 1",
        "DROP TABLE s.t",
        "SELECT 1; SELECT 2",
        "",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
        "EXPLAIN ANALYZE DELETE FROM s.t",
        "/* /* */ EXPLAIN SELECT 1 */ DELETE FROM s.t",
        "-- EXPLAIN\nDELETE FROM s.t",
        "/* a */ EXPLAIN ANALYZE /* b */ DELETE FROM s.t",
        "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "SELEC 1",
        "FROM nowhere",
        "FROM ducklake_expire_snapshots('lake', older_than => now())",
        "FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)",
        "FROM ducklake_set_option('lake', 'parquet_compression', 'zstd')",
    ],
)
def test_nothing_but_reading_is_done(
    reader: Lake, sql: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    before = reader.rows("SELECT snapshot_id FROM lake.snapshots()")
    with pytest.raises(LakeError):
        ask(reader, sql)
    assert list(here.iterdir()) == []
    assert reader.rows("SELECT snapshot_id FROM lake.snapshots()") == before
    assert ask(reader, "SELECT count(*) FROM s.t").frame.item() == 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("INTERVAL 1 DAY", "1 day"),
        ("{'a': INTERVAL 1 DAY, 'b': 2}", "{'a': 1 day, 'b': 2}"),
        ("[INTERVAL 1 DAY]::INTERVAL[1]", "[1 day]"),
        ("MAP {'a': INTERVAL 1 DAY}", "{a=1 day}"),
        ("union_value(a := 1)", "1"),
        ("'101'::BIT", "101"),
        ("340282366920938463463374607431768211455::BIGNUM", "340282366920938463463374607431768211455"),
        ("TIMETZ '12:00:00+01'", "12:00:00+01"),
    ],
)
def test_what_polars_cannot_hold_is_text_and_the_rest_of_the_row_is_as_ever(
    reader: Lake, value: str, text: str
) -> None:
    answer = ask(reader, f'SELECT 7 AS "a""b", {value} AS v, 8 AS "a""b", [1] AS c')
    assert answer.frame.row(0)[1] == text
    assert (answer.frame.row(0)[0], answer.frame.row(0)[2:]) == (7, (8, [1]))
    assert answer.types["v"] != "VARCHAR"


def test_a_column_of_intervals_is_answered_without_a_limit_too(reader: Lake) -> None:
    assert ask(reader, "SELECT utc_offset FROM pg_timezone_names() WHERE name = 'UTC'", limit=None).frame.height == 1


@pytest.mark.parametrize(
    "sql", ["PIVOT s.t ON _partition USING sum(v)", "EXPLAIN PIVOT s.t ON _partition USING sum(v)"]
)
def test_a_pivot_that_creates_a_type_is_refused_with_the_way_to_write_it(reader: Lake, sql: str) -> None:
    with pytest.raises(QuestionRefused, match=r"PIVOT without a list.*PIVOT t ON c IN \('a', 'b'\)"):
        ask(reader, sql)


@pytest.mark.parametrize("path", ["NULL", "['x.csv', NULL]", "[NULL]"])
def test_a_file_that_is_null_is_refused(reader: Lake, path: str) -> None:
    with pytest.raises(QuestionRefused, match="files of the lake's tables only"):
        ask(reader, f"FROM read_text({path})")


def test_an_internal_error_of_duckdb_is_told_in_one_line(
    reader_of_its_own: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(QuestionRefused, match="may not call txid_current"):
        ask(reader_of_its_own, "SELECT TXID_current()")
    monkeypatch.setattr(query_functions, "_FAILING", ())
    with pytest.raises(QuestionRefused, match="The query failed") as refused:
        ask(reader_of_its_own, "SELECT txid_current()")
    assert "\n" not in str(refused.value) and "Stack" not in str(refused.value)


def test_questions_are_not_asked_of_a_lake_that_can_write(lake: Lake) -> None:
    with pytest.raises(LakeError, match="read-only"):
        ask(lake, "SELECT 1")


def test_questions_are_answered_while_another_process_writes(reader_of_its_own: Lake, settings: Settings) -> None:
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    assert ask(reader_of_its_own, "SELECT max(v) FROM s.t").frame.item() == 1
    finish(writer)
    assert ask(reader_of_its_own, "SELECT max(v) FROM s.t").frame.item() == 99


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"SELECT {'+'.join(['1'] * 900)}", "nested too deeply"),
        (f"SELECT {'[' * 800}{']' * 800}", "nested too deeply|not SQL"),
        ("SELECT '\udcff'", "not UTF-8 text"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_and_no_trace_is_shown(reader: Lake, sql: str, words: str) -> None:
    with pytest.raises(QuestionRefused, match=words):
        ask(reader, sql)
