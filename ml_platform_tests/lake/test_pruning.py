from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.lake import pruning
from ml_platform.lake.connection import Lake
from ml_platform.lake.key_bounds import Bounds, key_bounds, times_between
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.pruning import rows_between, rows_of, rows_within
from ml_platform.lake.transaction import Author, Rows, stage, write

_PARTITIONS = ["2024-01-01", "2024-01-02", "it's"]
_AT = datetime(2024, 1, 1, tzinfo=UTC)
_NUMBER = iter(range(1_000_000))


def _rows(seed: int, extra: list[str]) -> pl.DataFrame:
    count = seed % 5 + 1
    return pl.DataFrame(
        {
            "id": range(seed, seed + count),
            "a b": [None if i % 3 == 0 else f"x'{i}" for i in range(count)],
            "at": [_AT + timedelta(microseconds=seed * 1001 + i) for i in range(count)],
            "x": [float("nan") if i == 1 else i / 3 for i in range(count)],
            "y": [bool(i % 2) for i in range(count)],
            "scores": [[0.5, None, i / 7] if i else None for i in range(count)],
            **{name: [seed] * count for name in extra},
        },
        schema_overrides={"a b": pl.String, "x": pl.Float32, "scores": pl.List(pl.Float64)},
    )


def _same(lake: Lake, table: str, partitions: str | list[str]) -> None:
    """The pruned rows are those that DuckLake reads, with its columns and types."""
    pruned = rows_of(lake, "s", table, partitions)
    listed = [partitions] if isinstance(partitions, str) else partitions
    plain = f"SELECT * FROM s.{table} WHERE list_contains(?::VARCHAR[], _partition)"
    described = [lake.rows(f"DESCRIBE SELECT * FROM {sql}") for sql in (pruned, f"s.{table}")]
    assert [row[:2] for row in described[0]] == [row[:2] for row in described[1]]
    texts = [
        sorted(map(repr, lake.connection.execute(*asked).fetchall()))
        for asked in ((f"SELECT * FROM {pruned}", []), (plain, [listed]))
    ]
    assert texts[0] == texts[1]


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "UINTEGER": st.integers(0, 2**32 - 1),
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300),
    "DATE": st.dates(date(1, 1, 2)),
    "TIMESTAMP": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    "TIMESTAMPTZ": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
}
_ACTIONS = ("replace", "replace staged", "append", "append staged", "delete some", "add", "rename", "drop", "maintain")


def _apply(lake: Lake, table: str, number: int, action: str, partition: str, extra: list[str]) -> None:
    """Do one thing to the table; `extra` are the columns that it has besides those of `_rows`."""
    rows: Rows = _rows(number, extra)
    if action.endswith("staged"):
        lake.connection.register("incoming", _rows(number, extra).to_arrow())
        rows = stage(lake, "FROM temp.main.incoming")
    with write(lake, Author("s/t")) as tx:
        if action.startswith("replace"):
            tx.replace("s", table, rows, partition=partition, evolve=True)
        elif action.startswith("append"):
            tx.append("s", table, rows, partition=partition, evolve=True)
        elif action == "delete some":
            tx.execute(f"DELETE FROM s.{table} WHERE id % 3 = 0 AND _partition = ?", [partition])
        elif action == "add":
            extra.append(f"n{number}")
            tx.append("s", table, _rows(number, extra), partition=partition, evolve=True)
        elif extra and action == "rename":
            tx.execute(f"ALTER TABLE s.{table} RENAME COLUMN {extra[-1]} TO r{number}")
            extra[-1] = f"r{number}"
        elif extra:
            tx.execute(f"ALTER TABLE s.{table} DROP COLUMN {extra.pop()}")


def _check_history(lake: Lake, actions: list[tuple[str, str]], every: int) -> None:
    """Compare the pruned rows with DuckLake's after every so many of these actions, and at the end."""
    table, extra = f"t{next(_NUMBER)}", list[str]()
    _apply(lake, table, 3, "replace", _PARTITIONS[0], extra)
    for number, (action, partition) in enumerate(actions):
        if action == "maintain":
            maintain(lake, keep_days=0)
        else:
            _apply(lake, table, number + 7, action, partition, extra)
        if number % every == 0 or number == len(actions) - 1:
            for one in _PARTITIONS:
                _same(lake, table, one)
            _same(lake, table, _PARTITIONS[:2])


_HISTORIES = st.lists(st.tuples(st.sampled_from(_ACTIONS), st.sampled_from(_PARTITIONS)), min_size=2, max_size=9)
_OPTIONS: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=3, **_OPTIONS)
@given(_HISTORIES)
def test_pruned_rows_are_those_that_ducklake_reads_after_whatever_happened_to_the_table(
    lake: Lake, actions: list[tuple[str, str]]
) -> None:
    _check_history(lake, actions, every=100)


@pytest.mark.slow
@settings(max_examples=25, **_OPTIONS)
@given(_HISTORIES)
def test_pruned_rows_are_those_that_ducklake_reads_at_each_moment_of_a_history(
    lake: Lake, actions: list[tuple[str, str]]
) -> None:
    _check_history(lake, actions, every=1)


@pytest.mark.parametrize("action", ["replace", "replace staged"])
def test_partitions_that_were_compacted_or_written_after_a_column_was_added_are_read_from_their_files(
    lake: Lake, action: str
) -> None:
    extra = list[str]()
    for number, one in enumerate(["replace", "append", "maintain", "add", "maintain", action]):
        if one == "maintain":
            maintain(lake, keep_days=0)
        else:
            _apply(lake, "t", number, one, _PARTITIONS[number == 5], extra)
    assert "read_parquet" in rows_of(lake, "s", "t", _PARTITIONS[1])
    for partition in _PARTITIONS:
        _same(lake, "t", partition)


def _filled(lake: Lake, *partitions: str) -> None:
    for seed, partition in enumerate(partitions):
        with write(lake, Author("s/t")) as tx:
            tx.replace("s", "t", _rows(seed, []), partition=partition)


def test_a_range_and_a_list_of_partitions_are_read_in_one_piece(lake: Lake) -> None:
    _filled(lake, "a", "b", "c", "d")
    assert lake.rows(f"SELECT DISTINCT _partition FROM {rows_between(lake, 's', 't', 'b', 'c')} ORDER BY 1") == [
        ("b",),
        ("c",),
    ]
    some = rows_of(lake, "s", "t", ["d", "a", "none"])
    assert lake.rows(f"SELECT _partition, id FROM {some} ORDER BY 2 LIMIT 2") == [("a", 0), ("d", 3)]


def test_files_of_other_partitions_are_not_read_and_the_catalog_alone_names_those_that_are(lake: Lake) -> None:
    _filled(lake, "a", "b", "c")
    for path in lake.tables.glob("s/t/_partition=[ac]/*"):
        path.unlink()
    rows = rows_of(lake, "s", "t", "b")
    assert "read_parquet" in rows and lake.value(f"SELECT count(*) FROM {rows}") == 2


def test_a_reader_at_a_snapshot_keeps_its_rows_while_another_replaces_them(lake: Lake) -> None:
    _filled(lake, "a")
    with lake.reading():
        before = lake.rows("SELECT count(*) FROM s.t")
        other = Lake(lake.settings)
        with write(other, Author("s/t")) as tx:
            tx.replace("s", "t", _rows(4, []), partition="a")
        other.close()
        assert lake.rows(f"SELECT count(*) FROM {rows_of(lake, 's', 't', 'a')}") == before == [(1,)]
    assert lake.value(f"SELECT count(*) FROM {rows_of(lake, 's', 't', 'a')}") == 5


def test_a_snapshot_that_the_question_to_the_catalog_does_not_know_yet_is_left_to_ducklake(lake: Lake) -> None:
    _filled(lake, "a")
    with lake.reading():
        rows_of(lake, "other", "table", "a")  # the catalog is asked: its transaction begins
        other = Lake(lake.settings)
        with write(other, Author("s/t")) as tx:
            tx.replace("s", "t", _rows(4, []), partition="a")
        other.close()
        pruned = lake.value(f"SELECT count(*) FROM {rows_of(lake, 's', 't', 'a')}")
        assert pruned == lake.value("SELECT count(*) FROM s.t")


def test_a_transaction_reads_what_it_wrote(lake: Lake) -> None:
    _filled(lake, "a")
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", _rows(4, []), partition="a")
        assert tx.execute(f"SELECT count(*) FROM {rows_of(lake, 's', 't', 'a')}").fetchone() == (5,)


@pytest.mark.parametrize("nested", ["[[1], [2]]", "[{'a': 1}]", "{'a': 1}", "MAP {'a': 1}"])
def test_nested_columns_are_left_to_ducklake(lake: Lake, nested: str) -> None:
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", stage(lake, f"SELECT {nested} AS n, 1 AS id"), partition="a")
    assert "read_parquet" not in rows_of(lake, "s", "t", "a")
    assert lake.value(f"SELECT id FROM {rows_of(lake, 's', 't', 'a')}") == 1


def test_rows_that_live_in_the_catalog_are_read(lake: Lake) -> None:
    with write(lake, Author("platform/t")) as tx:
        tx.replace("platform", "t", _rows(1, []), partition="a")
    assert lake.value(f"SELECT count(*) FROM {rows_of(lake, 'platform', 't', 'a')}") == 2


def test_a_folder_with_signs_of_a_pattern_in_its_name_is_read(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(lake, "a")
    assert pruning._GLOB.search("/data [new]/lake/tables/s/t/x.parquet")
    monkeypatch.setattr(pruning, "_GLOB", pruning.re.compile("tables"))
    assert "read_parquet" not in rows_of(lake, "s", "t", "a")
    assert lake.value(f"SELECT count(*) FROM {rows_of(lake, 's', 't', 'a')}") == 1


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("kind", ["BIGINT", "UINTEGER", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMPTZ"])
@settings(max_examples=2, **_OPTIONS)
@given(data=st.data())
def test_all_rows_within_bounds_are_in_the_files_that_are_read(
    lake: Lake, kind: str, staged: bool, data: st.DataObject
) -> None:
    values = _VALUES[kind]
    table = f"t{next(_NUMBER)}"
    for partition in _PARTITIONS:
        held = data.draw(st.lists(st.one_of(st.none(), values), min_size=1, max_size=3))
        lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE held (k {kind})")
        lake.connection.executemany("INSERT INTO temp.held VALUES (?)", [[value] for value in held])
        rows: Rows = stage(lake, "FROM temp.held") if staged else lake.frame("FROM temp.held")
        with write(lake, Author("s/t")) as tx:
            tx.replace("s", table, rows, partition=partition)
    lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE mine (k {kind})")
    lake.connection.executemany(
        "INSERT INTO temp.mine VALUES (?)", [[one] for one in data.draw(st.lists(values, min_size=1, max_size=2))]
    )
    bounds = key_bounds(lake, "FROM temp.mine", ["k"])
    assert bounds.ranges
    pruned = rows_within(lake, "s", table, bounds)
    few, every = (
        lake.rows(f"SELECT k::VARCHAR, _partition FROM {relation} WHERE {bounds.condition} ORDER BY ALL")
        for relation in (pruned, f"s.{table}")
    )
    assert few == every


def test_files_outside_bounds_are_not_read(lake: Lake) -> None:
    for seed, partition in enumerate(("a", "b", "c")):
        with write(lake, Author("s/t")) as tx:
            tx.replace("s", "t", _rows(10 * seed, []), partition=partition)
    for path in lake.tables.glob("s/t/_partition=[ac]/*"):
        path.unlink()
    moments = [_AT + timedelta(microseconds=10 * 1001 + i) for i in (0, 1)]
    for bounds in (Bounds({"id": ("BIGINT", "10", "12")}), times_between("at", *moments)):
        assert lake.rows(f"SELECT DISTINCT _partition FROM {rows_within(lake, 's', 't', bounds)}") == [("b",)]
