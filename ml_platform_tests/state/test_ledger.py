import polars as pl
import pytest

from ml_platform.errors import StateError
from ml_platform.lake.recipes import Read
from ml_platform.lake.transaction import Author, write
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.results import FeaturesResult, PredictionsResult
from ml_platform.state.stores import Stores, after


def record(state: State, asset: str, partition: str, key: str, *reads: Read) -> ledger.Record:
    author = Author(asset, partition, key, "run", reads)
    return ledger.record(state, author, rows=1, output="o", result=FeaturesResult(3), display={"key": key})


def test_the_latest_record_of_every_partition_counts(state: State) -> None:
    for asset, partition, key in (("a", "1", "old"), ("a", "2", "x"), ("b", "1", "y"), ("a", "1", "new")):
        record(state, asset, partition, key)
    newest = ledger.latest(state, "a") | ledger.latest(state, "b")
    assert {where: row.content_key for where, row in newest.items()} == {
        ("a", "1"): "new",
        ("a", "2"): "x",
        ("b", "1"): "y",
    }
    assert newest["a", "1"].recorded_at.utcoffset() is not None
    assert [row.content_key for row in ledger.history(state, "a")] == ["old", "x", "new"]
    assert [row.content_key for row in ledger.history(state, "a", ["1", "3"])] == ["old", "new"]
    assert ledger.assets(state) == ["a", "b"]


def test_how_many_rows_each_partition_has_is_what_its_latest_record_says(state: State) -> None:
    for partition, rows in (("2", 5), ("1", 3), ("2", 0)):
        ledger.record(state, Author("a", partition, "key", "run"), rows=rows, result=FeaturesResult(3))
    record(state, "b", "1", "key")
    assert list(ledger.rows_of_each(state, "a").items()) == [("1", 3), ("2", 0)]


def test_a_record_comes_back_as_it_was_given_and_its_details_one_at_a_time(state: State) -> None:
    given = record(state, "a", "1", "k", Read("raw/t", "f.csv", "5e7"))
    assert ledger.latest_of(state, "a", "1") == given
    assert given.result_as(FeaturesResult).features == 3
    details = ledger.details(state, given.id)
    assert (details.display, details.reads) == ({"key": "k"}, (Read("raw/t", "f.csv", "5e7"),))


def test_a_result_of_another_kind_is_refused_by_name(state: State) -> None:
    with pytest.raises(StateError, match="a 1 has a result of kind 'features', not 'predictions'"):
        record(state, "a", "1", "k").result_as(PredictionsResult)


def test_a_record_without_its_output_never_exists(stores: Stores) -> None:
    author = Author("a", "1", "key", "run")
    with pytest.raises(ZeroDivisionError), write(stores.lake, author) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [1]}), partition="1")
        after(tx, stores.state, lambda: record(stores.state, "a", "1", "key"))
        _ = 1 / 0
    assert ledger.latest(stores.state, "a") == {}


def test_the_output_is_committed_before_its_record(stores: Stores) -> None:
    """S43: what a record speaks of can be read when the record appears."""
    seen: list[int] = []

    def recording() -> None:
        seen.append(stores.lake.value("SELECT count(*) FROM s.t"))

    with write(stores.lake, Author("a", "1", "key", "run")) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [1, 2]}), partition="1")
        tx.after_commit(recording)
    assert seen == [2]


def test_what_is_recorded_together_is_recorded_whole_or_not_at_all(state: State) -> None:
    with pytest.raises(ZeroDivisionError), state.writing():
        record(state, "a", "1", "first")
        _ = 1 / 0
    assert ledger.latest(state, "a") == {}


def test_inside_reading_nothing_new_is_seen_and_nothing_is_written(state: State) -> None:
    record(state, "a", "1", "old")
    other = State(state.settings)
    with state.reading():
        assert ledger.latest(state, "a")["a", "1"].content_key == "old"
        record(other, "a", "1", "new")
        assert ledger.latest(state, "a")["a", "1"].content_key == "old"
        with pytest.raises(StateError, match="while this thread reads inside"):
            record(state, "a", "1", "mine")
    assert ledger.latest(state, "a")["a", "1"].content_key == "new"
    other.close()
