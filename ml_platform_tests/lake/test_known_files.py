from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.lake import data_files, file_hashes, known_files
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import current
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.transaction import Author, write

_TABLES = [("s", "t"), ("s", "u")]
_ACTIONS = ("append", "replace", "delete some", "maintain", "lose", "cut short", "flip a byte", "set aside", "look")


def _do(lake: Lake, action: str, table: str, partition: str) -> None:
    files = sorted(lake.tables.glob(f"s/{table}/_partition={partition}/*.parquet"))
    rows = pl.DataFrame({"v": range(100)})
    if action in ("replace", "delete some", "maintain", "set aside"):  # which read what is there
        data_files.set_aside(lake, file_hashes.changed(lake))
    if action in ("append", "replace"):
        with write(lake, Author("t")) as tx:
            getattr(tx, action)("s", table, rows, partition=partition)
    elif action == "delete some":
        with write(lake, Author("t")) as tx:
            tx.execute(f"DELETE FROM s.{table} WHERE v % 7 = 3 AND _partition = '{partition}'")
    elif action == "maintain":
        maintain(lake)
    elif files and action == "lose":
        files[-1].unlink()
    elif files and action == "cut short":
        files[-1].write_bytes(files[-1].read_bytes()[:-1])
    elif files and action == "flip a byte":
        _flip(files[-1])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(_ACTIONS), st.sampled_from(["t", "u"]), st.sampled_from("ab")),
        min_size=3,
        max_size=14,
    )
)
def test_what_is_found_is_what_a_look_at_every_current_file_finds(
    lake: Lake, actions: list[tuple[str, str, str]]
) -> None:
    for action, table, partition in [("append", "t", "a"), ("append", "u", "b"), *actions]:
        _do(lake, action, table, partition)
        with lake.reading():
            assert data_files.damaged(lake) == [file for file in current(lake) if not file.is_complete]
            for tables in ([], _TABLES[:1], _TABLES):
                there = file_hashes.changed(lake, tables)
                assert known_files.all_unchanged(lake, tables) <= (not there)
                assert file_hashes._changed_of(lake, tables, []) == there
    data_files.set_aside(lake, file_hashes.changed(lake))  # the next example begins with a lake that is whole


def test_a_second_look_asks_the_catalog_for_new_files_only(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _do(lake, "append", "t", "a")
    assert known_files.all_there(lake)
    _do(lake, "append", "t", "b")
    told = list[int]()
    ask = known_files.catalog_rows
    monkeypatch.setattr(known_files, "catalog_rows", lambda *about: told.append(len(rows := ask(*about))) or rows)
    assert known_files.all_there(lake)
    assert known_files.all_there(lake)
    assert told == [1, 0, 0, 0]


def test_a_run_looks_at_each_file_once_and_at_those_that_it_reads_each_time(lake: Lake) -> None:
    _do(lake, "append", "t", "a")
    with known_files.one_look():
        assert known_files.all_there(lake)
        _do(lake, "lose", "t", "a")
        assert known_files.all_there(lake)
        assert not known_files.all_unchanged(lake, _TABLES)
        _do(lake, "append", "t", "b")
        _do(lake, "lose", "t", "b")
        assert not known_files.all_there(lake)
    assert len(data_files.damaged(lake)) == 2
    with known_files.one_look():
        assert len(data_files.damaged(lake)) == 2
