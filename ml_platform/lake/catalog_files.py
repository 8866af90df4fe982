"""The files of tables that a catalog names: of every snapshot that it still holds.

The query reads DuckLake's published tables (format 1.0), so it runs in SQLite and PostgreSQL as in DuckDB. A path is
relative to the table's folder, that to the schema's, that to the folder of tables.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ml_platform.lake.connection import METADATA, Lake


@dataclass(frozen=True)
class CatalogFile:
    """A file of a table: its path in the folder of tables, its bytes, and whether the newest snapshot names it."""

    path: str
    size: int
    current: bool


def files_of(lake: Lake) -> list[CatalogFile]:
    """The files that the catalog of an open lake names."""
    return [CatalogFile(path, size, bool(current)) for path, size, current in lake.rows(_query(f"{METADATA}."))]


def files_in(catalog: Path) -> list[CatalogFile]:
    """The files that the copy of a SQLite catalog names. Nobody else may have the copy open."""
    with closing(sqlite3.connect(catalog)) as copy:
        return [CatalogFile(path, size, bool(current)) for path, size, current in copy.execute(_query(""))]


def scheduled(lake: Lake) -> list[str]:
    """The paths of files that the catalog will remove by itself, in the folder of tables."""
    return [path for (path,) in lake.rows(f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion")]


def _query(prefix: str) -> str:
    return f"""
    SELECT CASE WHEN f.path_is_relative THEN
            CASE WHEN t.path_is_relative THEN s.path ELSE '' END
            || t.path ELSE '' END || f.path AS full_path,
        max(f.file_size_bytes) AS bytes, max(CASE WHEN f.end_snapshot IS NULL THEN 1 ELSE 0 END) AS present
    FROM (SELECT table_id, path, path_is_relative, file_size_bytes, end_snapshot FROM {prefix}ducklake_data_file
          UNION ALL
          SELECT table_id, path, path_is_relative, file_size_bytes, end_snapshot FROM {prefix}ducklake_delete_file) f
    JOIN {prefix}ducklake_table t ON t.table_id = f.table_id
    JOIN {prefix}ducklake_schema s ON s.schema_id = t.schema_id
    GROUP BY 1 ORDER BY 1"""
