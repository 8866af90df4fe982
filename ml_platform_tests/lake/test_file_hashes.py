"""Every data file is hashed at the commit that makes it, and compared before its rows are used."""

import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake import data_files, file_hashes
from ml_platform.lake.connection import METADATA, Lake
from ml_platform.lake.data_files import TablePartition
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state.stores import Stores
from ml_platform_tests.damage import flip_a_byte

ROWS = pl.DataFrame({"v": range(100)})
NOW = timedelta(0)
HASHES = f"{METADATA}.ml_platform_file_hashes"


def put(lake: Lake, partition: str, *, staged: bool = True) -> Path:
    """A partition of s.t, registered as a staged file or inserted; its file."""
    with write(lake, Author("s/t")) as tx:
        rows = stage(lake, "SELECT i AS v FROM range(100) t(i)") if staged else ROWS
        tx.replace("s", "t", rows, partition=partition)
    (path,) = lake.tables.glob(f"s/t/_partition={partition}/*.parquet")
    return path


@pytest.mark.parametrize("staged", [True, False])
def test_a_byte_that_flips_under_the_same_size_and_time_is_found_and_its_partition_made_again(
    lake: Lake, staged: bool
) -> None:
    path = put(lake, "a", staged=staged)
    put(lake, "b", staged=staged)
    file_hashes.check(lake, [("s", "t")])
    assert file_hashes.changed(lake) == file_hashes.without_hash(lake) == []
    before = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data_files.damaged(lake) == []
    file_hashes.check(lake, [("s", "other")])
    with pytest.raises(LakeError, match=r"other bytes than were committed: s\.t a, such as .*ml-platform run"):
        file_hashes.check(lake, [("s", "t")])
    assert data_files.unusable(lake) == {TablePartition("s", "t", "a")}
    assert lake.rows("SELECT DISTINCT _partition FROM s.t") == [("b",)]
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", ROWS, partition="a")
    file_hashes.check(lake, [("s", "t")])
    assert data_files.unusable(lake) == set()


def test_a_reader_is_refused_and_changes_nothing(lake: Lake, settings: Settings) -> None:
    flip_a_byte(put(lake, "a"))
    with Lake(settings, read_only=True) as reader, pytest.raises(LakeError, match="other bytes"):
        file_hashes.check(reader, [("s", "t")])
    with pytest.raises(LakeError, match="other bytes"), lake.reading():
        file_hashes.check(lake, [("s", "t")])
    assert data_files.unusable(lake) == set()


def test_files_that_say_what_was_deleted_are_hashed_too(lake: Lake) -> None:
    put(lake, "a")
    with write(lake, Author("s/t")) as tx:
        tx.execute("DELETE FROM s.t WHERE v < 10")
    (deleted,) = [file for file in data_files.current(lake) if file.kind == "delete"]
    assert file_hashes.changed(lake) == file_hashes.without_hash(lake) == []
    flip_a_byte(deleted.path)
    assert file_hashes.changed(lake) == [deleted]


def test_maintenance_keeps_every_hash_and_gives_no_changed_file_a_new_one(lake: Lake) -> None:
    for partition in ("a", "b"):
        put(lake, partition)
        with write(lake, Author("s/t")) as tx:
            tx.append("s", "t", ROWS, partition=partition)
    flip_a_byte(next(lake.tables.glob("s/t/_partition=a/*.parquet")))
    maintain(lake, keep_days=0, grace=NOW)
    assert data_files.unusable(lake) == {TablePartition("s", "t", "a")}
    assert file_hashes.changed(lake) == file_hashes.without_hash(lake) == []
    assert lake.rows("SELECT count(*) FROM s.t WHERE _partition = 'b'") == [(200,)]
    hashed = set(lake.rows(f"SELECT kind, file_id FROM {HASHES}"))
    assert {(file.kind, file.own_id) for file in data_files.current(lake)} <= hashed
    present = lake.rows(f"SELECT 'data', data_file_id FROM {METADATA}.ducklake_data_file")
    assert hashed <= {*present, *lake.rows(f"SELECT 'delete', delete_file_id FROM {METADATA}.ducklake_delete_file")}


@pytest.mark.parametrize("lost", [f"DELETE FROM {HASHES}", f"DROP TABLE {HASHES}"])
def test_files_of_a_killed_writer_or_an_older_lake_are_hashed_when_the_lake_is_opened(
    stores: Stores, settings: Settings, lost: str
) -> None:
    path = put(stores.lake, "a")
    stores.lake.connection.execute(lost)
    stores.close()
    with closing(Workspace.open(settings, {})) as opened:
        assert file_hashes.without_hash(opened.lake) == []
        flip_a_byte(path)
        assert [file.path for file in file_hashes.changed(opened.lake)] == [path]


def test_partitions_without_files_ask_the_catalog_for_no_hash(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list of ids is no SQL for a catalog in PostgreSQL."""
    questions: list[str] = []
    monkeypatch.setattr(file_hashes, "catalog_rows", lambda _, sql: questions.append(sql) or [])
    assert file_hashes._changed(lake, []) == [] and questions == []
