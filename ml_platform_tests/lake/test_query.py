import re
from collections.abc import Iterator

import pytest

from ml_platform.errors import LakeError, QuestionRefused
from ml_platform.lake.connection import Lake
from ml_platform.lake.query import ask
from ml_platform.settings import Settings
from ml_platform_tests.lake.programs import both_halves, finish, hear, start


@pytest.fixture
def reader(lake: Lake, settings: Settings) -> Iterator[Lake]:
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
        "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
        "SELEC 1",
        "FROM nowhere",
        "FROM ducklake_expire_snapshots('lake', older_than => now())",
        "FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)",
        "FROM ducklake_set_option('lake', 'parquet_compression', 'zstd')",
    ],
)
def test_nothing_but_reading_is_done(
    reader: Lake, lake: Lake, sql: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    before = lake.rows("SELECT snapshot_id FROM lake.snapshots()")
    with pytest.raises(LakeError):
        ask(reader, sql)
    assert list(here.iterdir()) == []
    assert lake.rows("SELECT snapshot_id FROM lake.snapshots()") == before
    assert ask(reader, "SELECT count(*) FROM s.t").frame.item() == 1000


def test_questions_are_not_asked_of_a_lake_that_can_write(lake: Lake) -> None:
    with pytest.raises(LakeError, match="read-only"):
        ask(lake, "SELECT 1")


def test_questions_are_answered_while_another_process_writes(reader: Lake, settings: Settings) -> None:
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    assert ask(reader, "SELECT max(v) FROM s.t").frame.item() == 1
    finish(writer)
    assert ask(reader, "SELECT max(v) FROM s.t").frame.item() == 99
