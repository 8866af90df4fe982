import sqlite3
from contextlib import closing

from ml_platform.lake import catalog_indexes
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import TablePartition, current
from ml_platform.lake.transaction import Author, write
from ml_platform.runtime.workspace import Workspace


def _names(lake: Lake) -> set[str]:
    with closing(sqlite3.connect(lake.folder / "catalog.sqlite")) as catalog:
        return {name for (name,) in catalog.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


def test_a_lake_of_older_code_gets_the_indexes_when_it_is_opened_for_writing(lake: Lake) -> None:
    assert catalog_indexes._INDEXES.keys() <= _names(lake)
    with closing(sqlite3.connect(lake.folder / "catalog.sqlite")) as catalog, catalog:
        for name in catalog_indexes._INDEXES:
            catalog.execute(f"DROP INDEX {name}")
    Workspace.open(lake.settings, {}).close()
    assert catalog_indexes._INDEXES.keys() <= _names(lake)


def test_files_are_listed_by_table_and_partition(lake: Lake) -> None:
    for partition in ("a", "b"):
        for table in ("t", "u"):
            with write(lake, Author("s/t")) as tx:
                tx.replace("s", table, lake.frame("SELECT 1 AS id"), partition=partition)
    mine = TablePartition("s", "t", "b")
    assert [file.location for file in current(lake, of=mine)] == [mine]
    assert [file.location for file in current(lake, tables=[("s", "t")])] == [TablePartition("s", "t", "a"), mine]
    assert not current(lake, of=TablePartition("s", "t", "c"))
