"""What was tried to make a query write, clean up, or read outside of the lake."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import psycopg
import pytest

from ml_platform.errors import QuestionRefused
from ml_platform.lake.connection import Lake
from ml_platform.lake.query import ask
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state.attached import attach
from ml_platform_tests.lake.programs import both_halves
from ml_platform_tests.postgres_server import postgres_server


@dataclass
class Asked:
    """A lake that is asked, and a folder beside it that holds `zebra` in files of many kinds."""

    reader: Lake
    outside: Path

    @property
    def data(self) -> Path:
        return self.reader.settings.data

    def fingerprint(self) -> dict[str, str]:
        """Every file below the lake, the folder beside it and the working directory, with its content."""
        files = [file for file in self.data.parent.rglob("*") if file.is_file() and not file.name.endswith("-shm")]
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def filled(self, sql: str) -> str:
        """The statement with the paths of this lake."""
        lake = self.reader.folder
        return (
            sql.replace("{outside}", str(self.outside))
            .replace("{state}", str(lake / "state.sqlite"))
            .replace("{catalog}", str(lake / "catalog.sqlite"))
            .replace("{tables}", str(lake / "tables"))
        )


@pytest.fixture(scope="module")
def asked(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A table of which one partition was replaced: the replaced file waits for `maintain`."""
    folder = tmp_path_factory.mktemp("asked")
    settings = Settings(data=folder / "data", threads=2)
    shutil.copytree(empty_lake, settings.lake)
    with closing(Workspace.open(settings, {})) as stores:
        both_halves(stores.lake, 1)
        both_halves(stores.lake, 2)
        stores.lake.connection.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    outside = folder / "outside"
    outside.mkdir()
    pl.DataFrame({"a": ["zebra"]}).write_parquet(outside / "x.parquet")
    for name in ("x.csv", "x.txt", "x.json", "schema.sql", "load.sql"):
        (outside / name).write_text('{"a": "zebra"}\n')
    with closing(sqlite3.connect(outside / "x.sqlite")) as other, other:
        other.execute("CREATE TABLE t AS SELECT 'zebra' AS a")
    with duckdb.connect(outside / "x.duckdb") as file:
        file.execute("CREATE TABLE t AS SELECT 'zebra' AS a")
    with Lake(settings, read_only=True) as reader, pytest.MonkeyPatch.context() as patch:
        patch.chdir(outside)
        attach(reader)
        yield Asked(reader, outside)


REFUSED = """
    FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    FROM ducklake_cleanup_old_files('lake', cleanup_all => true, dry_run => true)
    FROM ducklake_expire_snapshots('lake', older_than => now())
    FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)
    FROM ducklake_merge_adjacent_files('lake')
    FROM ducklake_rewrite_data_files('lake')
    FROM ducklake_flush_inlined_data('lake')
    FROM ducklake_add_data_files('lake', 't', '{outside}/x.parquet', schema => 's')
    FROM ducklake_set_option('lake', 'parquet_compression', 'zstd')
    FROM lake.set_option('parquet_compression', 'zstd')
    FROM ducklake_set_commit_message('lake', 'me', 'text')
    FROM ducklake_commit('lake', 1)
    FROM DuckLake_Cleanup_Old_Files('lake', cleanup_all => true)
    FROM "ducklake_cleanup_old_files"('lake', cleanup_all => true)
    SELECT (SELECT count(*) FROM ducklake_cleanup_old_files('lake', cleanup_all => true))
    WITH a AS (FROM ducklake_cleanup_old_files('lake', cleanup_all => true)) FROM a
    FROM s.t WHERE EXISTS (FROM ducklake_cleanup_old_files('lake', cleanup_all => true))
    SELECT 1 LIMIT (SELECT count(*) FROM ducklake_cleanup_old_files('lake', cleanup_all => true))
    SELECT 1 UNION ALL SELECT count(*) FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    SUMMARIZE FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    DESCRIBE FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    EXPLAIN ANALYZE FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    FROM query('FROM ducklake_cleanup_old_files(''lake'', cleanup_all => true)')
    FROM json_execute_serialized_sql(json_serialize_sql('FROM ducklake_cleanup_old_files(''lake'')'))
    FROM checkpoint('lake')
    FROM force_checkpoint()
    FROM enable_logging(storage => 'file', storage_path => '{outside}/logs')
    FROM enable_logging(storage => 'file', storage_config => {'path': '{outside}/logs'})
    FROM disable_logging()
    FROM truncate_duckdb_logs()
    FROM enable_profiling(save_location => '{outside}/profile.txt')
    SELECT write_log('a line')
    SELECT list_transform([1], lambda x: write_log('a line'))
    SELECT nextval('numbers')
    FROM sqlite_attach('{outside}/x.sqlite')
    FROM sqlite_scan('{outside}/x.sqlite', 't')
    FROM sqlite_scan('{state}', 'records')
    FROM sqlite_query('__ducklake_metadata_lake', 'DELETE FROM ducklake_snapshot RETURNING snapshot_id')
    FROM postgres_attach('host=127.0.0.1 port=1')
    FROM postgres_scan('host=127.0.0.1 port=1', 'public', 't')
    FROM postgres_query('state', 'DELETE FROM records RETURNING id')
    FROM postgres_execute('state', 'DELETE FROM records')
    FROM read_csv('{outside}/x.csv', header => false)
    FROM read_csv(['{outside}/x.csv'])
    FROM read_csv(NULL)
    FROM read_text([NULL, '{outside}/x.txt'])
    FROM read_parquet()
    FROM '{outside}/x.csv'
    FROM 'x.csv'
    FROM "x.parquet"
    FROM '../outside/x.parquet'
    DESCRIBE '{outside}/x.parquet'
    FROM read_parquet('{outside}/*.parquet')
    FROM parquet_metadata('{outside}/x.parquet')
    FROM parquet_kv_metadata('{outside}/x.parquet')
    FROM read_json('{outside}/x.json')
    FROM read_text('{outside}/x.txt')
    FROM read_text('file://{outside}/x.txt')
    FROM read_text('{tables}/../../../outside/x.txt')
    FROM read_blob('{state}')
    FROM read_blob('{catalog}')
    FROM read_blob(concat('{catalog}', ''))
    FROM read_text(['{tables}/x', '{catalog}'])
    FROM '{catalog}'
    FROM query_table('{catalog}')
    FROM read_duckdb('{outside}/x.duckdb')
    FROM sniff_csv('{outside}/x.csv')
    FROM glob('{outside}/*')
    FROM glob('/proc/self/environ')
    FROM read_text('/proc/self/environ')
    FROM query_table(['{outside}/x.csv'])
    FROM read_csv('http://127.0.0.1:1/x.csv')
    FROM read_parquet('s3://bucket/x.parquet')
    FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)
    FROM python_map_function((FROM s.t))
    FROM outside_frame
    COPY (SELECT 1) TO '{outside}/copied.csv'
    COPY s.t TO '{tables}/copied.csv'
    EXPORT DATABASE '{outside}/exported'
    ATTACH '{outside}/x.duckdb' AS other
    ATTACH '{outside}/x.sqlite' AS other (TYPE sqlite)
    INSTALL httpfs
    LOAD httpfs
    SET enable_external_access = true
    SET allowed_directories = ['/']
    SET VARIABLE a = 1
    PRAGMA enable_profiling
    CALL ducklake_cleanup_old_files('lake', cleanup_all => true)
    CREATE TEMP TABLE mine AS SELECT 1
    CREATE MACRO mine() AS TABLE FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
    CREATE SECRET mine (TYPE sqlite)
    INSERT INTO state.imports VALUES ('x', 'done')
    DELETE FROM state.records
    WITH gone AS (DELETE FROM state.records RETURNING *) FROM gone
    UPDATE s.t SET v = 0
    MERGE INTO s.t USING (SELECT 1 AS v) AS n ON t.v = n.v WHEN MATCHED THEN DELETE
    CREATE TABLE s.mine AS SELECT 1
    DROP TABLE s.t
    ALTER TABLE s.t ADD COLUMN w INTEGER
    CHECKPOINT
    VACUUM
    BEGIN
    USE memory
    DETACH lake
    EXECUTE mine
    IMPORT DATABASE '{outside}'
    ANALYZE
    SELECT 1; DROP TABLE s.t
    EXPLAIN DELETE FROM s.t
""".strip().splitlines()


@pytest.mark.parametrize("sql", [line.strip() for line in REFUSED])
def test_a_query_that_would_do_more_than_read_the_lake_is_refused_and_nothing_changes(asked: Asked, sql: str) -> None:
    outside_frame = pl.DataFrame({"a": ["zebra"]})  # a name of this process, which is no table
    before = asked.fingerprint()
    with pytest.raises(QuestionRefused) as refused:
        ask(asked.reader, asked.filled(sql))
    assert "zebra" not in str(refused.value) and outside_frame.height == 1
    assert asked.fingerprint() == before
    assert ask(asked.reader, "SELECT count(*), min(v) FROM s.t").frame.row(0) == (1000, 2)


@pytest.mark.parametrize(
    "sql",
    [
        "FROM state.records",
        "FROM lake.snapshots()",
        "FROM ducklake_table_info('lake')",
        "FROM ducklake_list_files('lake', 't', schema => 's')",
        "FROM lake.options()",
        "FROM duckdb_databases()",
        "FROM duckdb_secrets()",
        "FROM duckdb_settings() WHERE name = 'threads'",
        "SHOW ALL TABLES",
        "FROM information_schema.tables",
        "FROM pragma_table_info('s.t')",
        "PRAGMA database_list",
        "FROM read_parquet(['{tables}/s/t/_partition=a/*.parquet'], filename => true)",
        "SELECT random(), now(), uuid(), current_setting('threads')",
        "FROM read_parquet('{tables}/s/t/**/*.parquet')",
        "FROM range(3), LATERAL (SELECT unnest([range, 2]))",
        "FROM query_table('s.t')",
        "FROM json_each('[1, 2]')",
        "FROM histogram_values(s.t, v)",
        "PIVOT s.t ON _partition IN ('a', 'b') USING sum(v)",
        "SELECT v, row_number() OVER (ORDER BY v) FROM s.t QUALIFY v > 1",
        "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 3) FROM n",
        "SELECT list_transform([1], lambda x: x + 1), regexp_matches('a', 'a'), date_trunc('month', DATE '2024-01-02')",
    ],
)
def test_what_reads_the_lake_is_answered(asked: Asked, sql: str) -> None:
    assert ask(asked.reader, asked.filled(sql)).frame.width > 0


def test_a_query_that_needs_more_memory_than_there_is_still_spills(asked: Asked) -> None:
    settings = asked.reader.settings.model_copy(update={"memory_limit": "60MB", "threads": 1})
    sql = "SELECT count(*) FROM (SELECT range, hash(range) AS h FROM range(3_000_000) ORDER BY h)"
    with Lake(settings, read_only=True) as small:
        assert ask(small, sql).frame.item() == 3_000_000


@pytest.mark.slow  # It needs PostgreSQL's server programs.
def test_the_same_is_refused_on_postgresql_and_its_rows_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server() as port:
        address = f"postgresql://ml:sesame@127.0.0.1:{port}/postgres"
        settings = Settings.model_validate({"data": tmp_path / "data", "threads": 2, "catalog": address})
        with closing(Workspace.open(settings, {})) as stores:
            both_halves(stores.lake, 1)
        before = _rows_of(address)
        more = (
            f"FROM postgres_scan('{address}', 'ml_platform', 'records')",
            "FROM postgres_query('state', 'SELECT pg_read_file(''PG_VERSION'')')",
            "FROM postgres_query('__ducklake_metadata_lake', 'SELECT 1')",
            "FROM pg_clear_cache()",
            "FROM postgres_configure_pool()",
            "FROM read_postgres_binary('x.csv')",
        )
        monkeypatch.chdir(tmp_path)
        with Lake(settings, read_only=True) as reader:
            attach(reader)
            asked = Asked(reader, tmp_path)
            for sql in [*REFUSED, *more]:
                with pytest.raises(QuestionRefused):
                    ask(reader, asked.filled(sql.strip()))
            assert ask(reader, "FROM state.alembic_version").frame.height == 1
            assert ask(reader, "SELECT count(*) FROM s.t").frame.item() == 1000
            assert "sesame" not in str(ask(reader, "FROM duckdb_databases(), duckdb_secrets()").frame.rows())
        assert _rows_of(address) == before


def _rows_of(address: str) -> list[str]:
    with psycopg.connect(address) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        rows = [row for (table,) in tables for row in connection.execute(f"SELECT t::text FROM {table} t".encode())]
    return sorted(text for (text,) in rows)
