import duckdb
import polars as pl
import pytest

from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import current
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.newest_row import newest_row
from ml_platform.lake.transaction import Author, write

_FEW, _MANY = 3, 40  # rows of one insert: these stay in the catalog, those become a file


def _append(lake: Lake, numbers: range, **more: str) -> None:
    rows = {"id": list(numbers), "asset": [f"a{i}" for i in numbers], "it's": [f"k {i}" for i in numbers]}
    with write(lake, Author("t")) as tx:
        tx.append("lineage", "records", pl.DataFrame({**rows, **dict.fromkeys(more, "x")}), evolve=bool(more))


def _newest(lake: Lake) -> tuple[object, ...] | None:
    with Lake(lake.settings, read_only=True) as reader:
        return newest_row(reader, "lineage", "records", "id", ("asset", "it's"))


def test_a_table_that_is_not_there_or_empty_has_no_newest_row(lake: Lake) -> None:
    assert _newest(lake) is None
    _append(lake, range(0))
    assert _newest(lake) is None


@pytest.mark.parametrize("counts", [(_FEW,), (_MANY,), (_FEW, _MANY), (_MANY, _FEW), (_MANY, _MANY, _FEW, _FEW)])
def test_the_newest_row_is_the_one_with_the_highest_number_wherever_it_is(lake: Lake, counts: tuple[int, ...]) -> None:
    end = 0
    for count in counts:
        _append(lake, range(end, end + count))
        end += count
        assert _newest(lake) == (end - 1, f"a{end - 1}", f"k {end - 1}")
    maintain(lake)
    assert _newest(lake) == (end - 1, f"a{end - 1}", f"k {end - 1}")


@pytest.mark.parametrize("count", [_FEW, _MANY])
def test_rows_that_were_deleted_do_not_count(lake: Lake, count: int) -> None:
    _append(lake, range(count))
    for condition, greatest in ((f"id = {count - 1}", count - 2), ("id < 0", count - 2), ("true", None)):
        with write(lake, Author("t")) as tx:
            tx.execute(f"DELETE FROM lineage.records WHERE {condition}")
        assert _newest(lake) == (None if greatest is None else (greatest, f"a{greatest}", f"k {greatest}"))
    _append(lake, range(2))
    assert _newest(lake) == (1, "a1", "k 1")


@pytest.mark.parametrize("count", [_FEW, _MANY])
def test_rows_from_before_and_after_a_new_column_count(lake: Lake, count: int) -> None:
    _append(lake, range(count))
    _append(lake, range(count, 2 * count), new="")
    assert _newest(lake) == (2 * count - 1, f"a{2 * count - 1}", f"k {2 * count - 1}")


def test_a_lost_file_is_no_older_newest_row(lake: Lake) -> None:
    _append(lake, range(_MANY))
    _append(lake, range(_MANY, 2 * _MANY))
    max(current(lake, tables=[("lineage", "records")]), key=lambda file: file.file_id).path.unlink()
    with pytest.raises(duckdb.IOException):
        _newest(lake)


def test_the_newest_row_is_found_without_loading_the_tables_of_the_lake(lake: Lake) -> None:
    _append(lake, range(_MANY))
    with Lake(lake.settings, read_only=True) as reader:
        newest_row(reader, "lineage", "records", "id", ("asset",))
        assert not reader._local.in_lake  # what takes 50 ms
        assert reader.connection.execute("SELECT current_database()").fetchall() == [("lake",)]


@pytest.mark.parametrize("count", [_FEW, _MANY])
def test_names_may_hold_braces(lake: Lake, count: int) -> None:
    rows = pl.DataFrame({"{id}": range(count), "a{0}": [f"a{i}" for i in range(count)]})
    with write(lake, Author("t")) as tx:
        tx.append("lineage", "{records}", rows, evolve=False)
    with Lake(lake.settings, read_only=True) as reader:
        assert newest_row(reader, "lineage", "{records}", "{id}", ("a{0}",)) == (count - 1, f"a{count - 1}")
