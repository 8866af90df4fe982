import time
from pathlib import Path

import polars as pl
import pytest

from ml_platform.lake import data_files
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import TablePartition
from ml_platform.lake.transaction import Author, stage, write

ROWS = pl.DataFrame({"v": range(100)})


def put(lake: Lake, partition: str | None, table: str = "t") -> None:
    with write(lake, Author(f"s/{table}")) as tx:
        tx.replace("s", table, stage(lake, "SELECT i AS v FROM range(100) t(i)"), partition=partition)


def file_of(lake: Lake, pattern: str) -> Path:
    (path,) = lake.tables.glob(f"s/{pattern}/*.parquet")
    return path


def hurt(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("how", ["missing", "cut short"])
def test_a_hit_does_not_stand_on_a_damaged_file(lake: Lake, how: str) -> None:
    # S31: a hit verifies that the data is there and whole.
    for partition in ("2013-01", "2013-02"):
        put(lake, partition)
    put(lake, None, "flat")
    assert data_files.unusable(lake) == set()
    hurt(file_of(lake, "t/_partition=2013-02"), how)
    assert data_files.unusable(lake) == {TablePartition("s", "t", "2013-02")}
    assert data_files.whole(lake, "s", "t", "2013-01")
    hurt(file_of(lake, "flat"), how)
    assert not data_files.whole(lake, "s", "flat")


@pytest.mark.parametrize("how", ["missing", "cut short"])
def test_a_damaged_partition_is_made_again(lake: Lake, how: str) -> None:
    for partition in ("2013-01", "2013-02", "2013-03"):
        put(lake, partition)
    for partition in ("2013-01", "2013-02"):
        hurt(file_of(lake, f"t/_partition={partition}"), how)
    lost = {TablePartition("s", "t", "2013-01"), TablePartition("s", "t", "2013-02")}
    assert data_files.set_aside_damaged(lake) == lost
    # Killed here, the next run still knows: the files are out of the catalog, the need is in the lake.
    assert data_files.unusable(lake) == lost == data_files.set_aside_damaged(lake)
    put(lake, "2013-01")
    assert data_files.unusable(lake) == {TablePartition("s", "t", "2013-02")}
    put(lake, "2013-02")
    assert data_files.unusable(lake) == set()
    assert lake.rows("SELECT _partition, sum(v) FROM s.t GROUP BY 1 ORDER BY 1") == [
        ("2013-01", 4950),
        ("2013-02", 4950),
        ("2013-03", 4950),
    ]


def test_rows_kept_in_the_catalog_are_whole(lake: Lake) -> None:
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", ROWS.head(3), partition="2013-01")
    assert data_files.whole(lake, "s", "t", "2013-01")


def test_asking_for_a_year_of_partitions_takes_no_time(lake: Lake) -> None:
    # S32: 12 months x 12 tables, all hit.
    for table in range(12):
        with write(lake, Author("s/t")) as tx:
            for month in range(1, 13):
                tx.append("s", f"t{table}", ROWS, partition=f"2013-{month:02}")
    started = time.monotonic()
    assert data_files.unusable(lake) == set()
    assert time.monotonic() - started < 0.5
