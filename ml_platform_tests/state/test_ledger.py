import polars as pl
import pytest

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.state import ledger


def record(lake: Lake, asset: str, partition: str, key: str) -> None:
    author = Author(asset, partition, key, "run")
    with write(lake, author) as tx:
        ledger.record(tx, author, rows=1, output="o", details={"key": key})


def test_the_latest_record_of_every_partition_counts(lake: Lake) -> None:
    for asset, partition, key in (("a", "1", "old"), ("a", "2", "x"), ("b", "1", "y"), ("a", "1", "new")):
        record(lake, asset, partition, key)
    found = ledger.latest(state)
    assert {place: row.content_key for place, row in found.items()} == {
        ("a", "1"): "new",
        ("a", "2"): "x",
        ("b", "1"): "y",
    }
    assert found["a", "1"].details == {"key": "new"}
    assert found["a", "1"].recorded_at.utcoffset() is not None
    assert set(ledger.latest(state, "b")) == {("b", "1")}


def test_a_record_stands_or_falls_with_the_output(lake: Lake) -> None:
    author = Author("a", "1", "key", "run")
    with pytest.raises(ZeroDivisionError), write(lake, author) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": [1]}), partition="1")
        ledger.record(tx, author, rows=1)
        _ = 1 / 0
    assert ledger.latest(state) == {}


def test_preparing_twice_changes_nothing(lake: Lake) -> None:
    record(lake, "a", "1", "k")
    ledger.prepare(lake)
    assert len(ledger.latest(state)) == 1
