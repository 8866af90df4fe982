"""A catalog that is missing, empty, damaged or of another format is named, and nothing is made in its place."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.errors import LakeError
from ml_platform.lake import lake_format
from ml_platform.lake.connection import METADATA, Lake
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, empty_lake: Path) -> Settings:
    """Those of a lake that is closed, with one table."""
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with Lake(made) as lake, write(lake, Author("s/t")) as tx:
        tx.append("s", "t", stage(lake, "SELECT i AS v FROM range(50) t(i)"))
    return made


def _catalog(settings: Settings) -> Path:
    return settings.lake / "catalog.sqlite"


def _change(settings: Settings, sql: str) -> None:
    with closing(sqlite3.connect(_catalog(settings))) as catalog, catalog:
        catalog.execute(sql)


def _files(settings: Settings) -> dict[str, int]:
    """Everything in the data folder with its size, but for what opening a lake always leaves."""
    passing = ("write.lock", "write.holder", "sqlite-shm")
    files = [path for path in settings.data.rglob("*") if path.is_file() and not path.name.endswith(passing)]
    return {str(path): size for path in files if (size := path.stat().st_size) or not path.name.endswith("-wal")}


def _refused(settings: Settings, words: str) -> None:
    """Writers and readers are refused with these words, and no file has changed."""
    before = _files(settings)
    for read_only in (False, True):
        with pytest.raises(LakeError, match=words):
            Lake(settings, read_only=read_only)
    assert _files(settings) == before


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["deleted", "emptied"])
def test_no_new_lake_is_made_where_files_of_tables_are(settings: Settings, lose: Callable[[Path], object]) -> None:
    lose(_catalog(settings))
    _refused(settings, r"catalog.sqlite is missing or empty.*1 file of tables.*ml-platform restore")


def test_no_new_lake_is_made_where_blobs_are(settings: Settings) -> None:
    shutil.rmtree(settings.lake)
    (settings.artifacts / "ab").mkdir(parents=True)
    (settings.artifacts / "ab" / ("ab" * 32)).write_bytes(b"a blob")
    _refused(settings, r"missing or empty.* 1 blob in ")


def test_no_new_lake_is_made_beside_a_log_that_holds_commits(settings: Settings) -> None:
    shutil.rmtree(settings.lake / "tables")
    _catalog(settings).unlink()
    (settings.lake / "catalog.sqlite-wal").write_bytes(b"commits")
    _refused(settings, r"missing or empty.* commits in .*catalog.sqlite-wal")


def test_an_empty_file_without_anything_beside_it_becomes_a_new_lake(settings: Settings) -> None:
    shutil.rmtree(settings.lake / "tables")
    _catalog(settings).write_bytes(b"")
    with Lake(settings) as lake:
        assert not lake.has("s", "t")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_catalog_that_was_cut_off_is_named_with_what_to_restore(settings: Settings, part: float) -> None:
    content = _catalog(settings).read_bytes()
    _catalog(settings).write_bytes(content[: int(len(content) * part)])
    _refused(settings, r"cannot be opened: .*malformed.* The catalog is damaged.*ml-platform restore")


def test_a_file_that_is_no_database_is_named_with_what_to_restore(settings: Settings) -> None:
    _catalog(settings).write_bytes(b"These are not the bytes of a database. " * 500)
    _refused(settings, r"cannot be opened: .*not a database.* The catalog is damaged.*ml-platform restore")


def test_a_catalog_without_tables_is_damaged_and_no_new_lake(settings: Settings) -> None:
    with closing(sqlite3.connect(_catalog(settings))) as catalog:
        names = [name for (name,) in catalog.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        _change(settings, f"DROP TABLE {name}")
    _refused(settings, r"cannot be opened.* The catalog is damaged.*ml-platform restore")


def test_a_catalog_that_lost_its_snapshots_is_damaged(settings: Settings) -> None:
    _change(settings, "DELETE FROM ducklake_snapshot")
    with pytest.raises(LakeError, match=r"No snapshot found.* The catalog is damaged.*ml-platform restore"):
        Lake(settings)


def test_a_catalog_that_lost_its_first_schema_is_damaged(settings: Settings) -> None:
    _change(settings, "DELETE FROM ducklake_schema WHERE schema_id = 0")
    with pytest.raises(LakeError, match=r"damaged: its first schema is gone.*ml-platform restore"):
        Lake(settings)


@pytest.mark.parametrize("wiped", [False, True])
def test_a_lake_that_is_being_restored_is_neither_opened_nor_made(settings: Settings, wiped: bool) -> None:
    if wiped:
        shutil.rmtree(settings.lake)
        settings.lake.mkdir()
    (settings.lake / "restore.json").write_text("{}")
    _refused(settings, "A restore of the lake in .* is not finished")


# -- formats -----------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "remedy"), [("9.0", "or a newer one"), ("0.3", "Nothing is migrated by accident")])
def test_a_catalog_of_another_version_of_ducklake_is_refused_by_name(
    settings: Settings, version: str, remedy: str
) -> None:
    _change(settings, f"UPDATE ducklake_metadata SET value = '{version}' WHERE key = 'version'")
    _refused(settings, rf"has DuckLake's version {version}; this installation reads 1\.0\..*{remedy}")


def test_a_lake_that_newer_code_has_written_is_refused_by_name(settings: Settings) -> None:
    _change(settings, "UPDATE ducklake_metadata SET value = '99' WHERE key = 'ml_platform_format'")
    _refused(settings, rf"has format 99; this version knows up to {lake_format.FORMAT}\. Use the version")


def test_an_older_lake_is_raised_once_by_whoever_opens_it_for_writing(settings: Settings) -> None:
    _change(settings, "DELETE FROM ducklake_metadata WHERE key = 'ml_platform_format'")
    with Lake(settings, read_only=True) as lake:
        assert lake_format.recorded(lake.connection, METADATA) == 0
    for _ in range(2):
        with Lake(settings) as lake:
            asked = f"SELECT value FROM {METADATA}.ducklake_metadata WHERE key = 'ml_platform_format'"
            assert lake.rows(asked) == [(str(lake_format.FORMAT),)]
            assert lake.rows("SELECT count(*) FROM s.t") == [(50,)]


@pytest.mark.parametrize("table", ["ducklake_snapshot_changes", "ducklake_data_file", "ducklake_table_stats"])
def test_a_page_that_only_a_commit_or_a_query_reads_is_named_with_its_file_and_what_to_restore(
    settings: Settings, table: str
) -> None:
    with closing(sqlite3.connect(_catalog(settings))) as catalog:
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = catalog.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
        (size,) = catalog.execute("PRAGMA page_size").fetchone()
    with _catalog(settings).open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * size)
    with pytest.raises(LakeError) as refused, Lake(settings) as lake, write(lake, Author("s/t")) as tx:
        tx.append("s", "t", stage(lake, "SELECT i AS v FROM range(50) t(i)"))
    assert "malformed" in refused.value.what and str(settings.lake) in refused.value.what
    assert "ml-platform restore" in refused.value.remedy
    assert "Run again" not in refused.value.remedy
