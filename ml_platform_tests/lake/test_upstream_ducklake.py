"""What DuckLake does and the lake relies on; a new version that does otherwise shows here first."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from ml_platform.lake.connection import METADATA, Lake
from ml_platform.lake.duckdb_start import started
from ml_platform.lake.extensions import load_extensions
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings


def test_the_functions_of_maintenance_and_registration_exist_under_their_names(lake: Lake) -> None:
    functions = {
        (name, parameter)
        for name, parameters in lake.rows(
            "SELECT function_name, parameters FROM duckdb_functions() WHERE function_name LIKE 'ducklake%'"
        )
        for parameter in parameters
    }
    assert {
        ("ducklake_flush_inlined_data", "schema_name"),
        ("ducklake_rewrite_data_files", "delete_threshold"),
        ("ducklake_merge_adjacent_files", "max_file_size"),
        ("ducklake_expire_snapshots", "versions"),
        ("ducklake_cleanup_old_files", "older_than"),
        ("ducklake_delete_orphaned_files", "older_than"),
        ("ducklake_add_data_files", "hive_partitioning"),
        ("ducklake_add_data_files", "allow_missing"),
        ("ducklake_set_commit_message", "extra_info"),
    } <= functions


def test_the_catalog_is_of_the_format_whose_tables_we_read(lake: Lake) -> None:
    assert lake.value(f"SELECT value FROM {METADATA}.ducklake_metadata WHERE key = 'version'") == "1.0"


def test_a_registered_file_under_its_table_is_kept_by_a_relative_path(lake: Lake) -> None:
    # So that a lake that is moved still finds it.
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", stage(lake, "SELECT 1 AS v FROM range(9)"), partition="a")
    ((path, relative, partition),) = lake.rows(
        f"SELECT path, path_is_relative, partition_value FROM {METADATA}.ducklake_data_file "
        f"JOIN {METADATA}.ducklake_file_partition_value USING (data_file_id)"
    )
    assert path.startswith("_partition=a/ducklake-")
    assert (bool(relative), partition) == (True, "a")


def test_deleting_a_whole_partition_drops_its_files_and_writes_none(lake: Lake) -> None:
    for _ in range(2):
        with write(lake, Author("s/t")) as tx:
            tx.replace("s", "t", pl.DataFrame({"v": range(100)}), partition="a")
    assert lake.value(f"SELECT count(*) FROM {METADATA}.ducklake_delete_file") == 0
    assert lake.value(f"SELECT count(*) FROM {METADATA}.ducklake_data_file WHERE end_snapshot IS NULL") == 1


def test_a_delete_still_fails_on_a_file_that_is_missing(lake: Lake) -> None:
    # When this passes no more, `set_aside_damaged` need not edit the catalog.
    with write(lake, Author("s/t")) as tx:
        tx.replace("s", "t", pl.DataFrame({"v": range(100)}), partition="a")
    for path in lake.tables.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(duckdb.Error, match="No such file"):
        lake.connection.execute("DELETE FROM s.t WHERE _partition = 'a'")


def test_parquet_still_rounds_128_bit_integers(lake: Lake) -> None:
    path = lake.folder / "staging" / "wide.parquet"
    lake.connection.execute(f"COPY (SELECT 1::HUGEINT AS v) TO '{path}' (FORMAT parquet)")
    assert lake.rows(f"SELECT typeof(v) FROM read_parquet('{path}')") == [("DOUBLE",)]


def test_deletes_are_still_lost_where_newer_snapshots_are_expired_meanwhile(tmp_path: Path) -> None:
    # ducklake#1472. So a write takes the lock before BEGIN, and maintenance holds it while it expires. When this fails,
    # DuckLake refuses the commit by itself.
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as tidy:
        load_extensions(tidy, ["ducklake"])
        options = f"DATA_PATH '{tmp_path / 'tables'}', DATA_INLINING_ROW_LIMIT 0"
        tidy.execute(f"ATTACH 'ducklake:{tmp_path / 'catalog.duckdb'}' AS lake ({options})")
        tidy.execute("CREATE TABLE lake.t (id INTEGER, p INTEGER)")
        tidy.execute("INSERT INTO lake.t VALUES (1, 1)")
        writer = tidy.cursor()
        writer.execute("BEGIN")
        assert writer.execute("SELECT id FROM lake.t").fetchall() == [(1,)]
        tidy.execute("INSERT INTO lake.t VALUES (2, 1)")
        tidy.execute("CALL ducklake_merge_adjacent_files('lake')")
        tidy.execute("CREATE TABLE lake.unrelated (i INTEGER)")
        tidy.execute("CALL ducklake_expire_snapshots('lake', versions => [3, 4])")
        writer.execute("DELETE FROM lake.t WHERE id = 1")
        writer.execute("COMMIT")
        assert tidy.execute("SELECT id FROM lake.t ORDER BY id").fetchall() == [(1,), (2,)]


def test_on_postgresql_the_waits_between_retries_of_a_commit_do_not_grow(tmp_path: Path) -> None:
    # By default each is half as long again as the one before: hours at the thirtieth of the 200 that we allow.
    settings = Settings.model_validate({"data": tmp_path, "catalog": "host=nowhere dbname=lake"})
    duck = started(settings, settings.lake, False, tmp_path / "spill")  # it connects to no server yet
    asked = "SELECT current_setting('ducklake_retry_backoff'), current_setting('ducklake_max_retry_count')"
    assert duck.execute(asked).fetchone() == (1.0, 200)
    duck.close()


def test_ducklake_fills_words_of_a_text_in_and_hides_its_rows(lake: Lake) -> None:
    """Why files with such a word are refused (`ml_platform.lake.filled_in`); once this fails, they need not be."""
    lake.connection.execute("CREATE SCHEMA words")
    lake.connection.execute("CREATE TABLE words.texts (word VARCHAR)")
    lake.connection.execute("INSERT INTO words.texts SELECT '{SNAPSHOT_ID}' FROM range(5000)")
    assert lake.value("SELECT count(*) FROM words.texts") == 5000
    assert lake.value("SELECT count(*) FROM words.texts WHERE word = '{SNAPSHOT_ID}'") == 0
    with pytest.raises(duckdb.Error, match="Failed to flush changes into DuckLake"):
        lake.connection.execute("INSERT INTO words.texts VALUES ('{DATA_PATH}')")
