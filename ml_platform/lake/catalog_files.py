"""The files of tables that a catalog names: of every snapshot that it still holds.

The query reads DuckLake's published tables (format 1.0), so it runs in SQLite and PostgreSQL as in DuckDB. A path is
relative to the table's folder, that to the schema's, that to the folder of tables.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_platform.lake.connection import METADATA, Lake
from ml_platform.lake.known_files import HASHES, has_hashes


@dataclass(frozen=True)
class CatalogFile:
    """A file of a table.

    path:     in the folder of tables.
    size:     bytes.
    current:  whether the newest snapshot names it.
    sha256:   of its bytes, as they were committed; empty for a file that was never hashed.
    """

    path: str
    size: int
    current: bool
    sha256: str


def files_of(lake: Lake) -> list[CatalogFile]:
    """The files that the catalog of an open lake names."""
    return _files(lake.rows(_query(f"{METADATA}.", hashed=has_hashes(lake))))


def files_in(catalog: Path) -> list[CatalogFile]:
    """The files that the copy of a SQLite catalog names. Nobody else may have the copy open."""
    with closing(sqlite3.connect(catalog)) as copy:
        there = "SELECT count(*) FROM sqlite_master WHERE name = ?"
        (hashed,) = copy.execute(there, [HASHES]).fetchone()
        return _files(copy.execute(_query("", hashed=bool(hashed))))


def scheduled(lake: Lake) -> list[str]:
    """The paths of files that the catalog will remove by itself, in the folder of tables."""
    return [path for (path,) in lake.rows(f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion")]


def _files(rows: Iterable[Sequence[Any]]) -> list[CatalogFile]:
    return [CatalogFile(path, size, bool(current), sha256 or "") for path, size, current, sha256 in rows]


def _query(prefix: str, *, hashed: bool) -> str:
    """The query. `hashed`: whether the catalog has a table of hashes; that of an older lake has none."""
    sha256 = "max(h.sha256)" if hashed else "NULL"
    hashes = f"LEFT JOIN {prefix}{HASHES} h ON h.kind = f.kind AND h.file_id = f.file_id" if hashed else ""
    columns = "table_id, path, path_is_relative, file_size_bytes, end_snapshot"
    return f"""
    SELECT CASE WHEN f.path_is_relative THEN
            CASE WHEN t.path_is_relative THEN s.path ELSE '' END
            || t.path ELSE '' END || f.path AS full_path,
        max(f.file_size_bytes) AS bytes, max(CASE WHEN f.end_snapshot IS NULL THEN 1 ELSE 0 END) AS present,
        {sha256} AS sha256
    FROM (SELECT 'data' AS kind, data_file_id AS file_id, {columns} FROM {prefix}ducklake_data_file
          UNION ALL
          SELECT 'delete' AS kind, delete_file_id AS file_id, {columns} FROM {prefix}ducklake_delete_file) f
    JOIN {prefix}ducklake_table t ON t.table_id = f.table_id
    JOIN {prefix}ducklake_schema s ON s.schema_id = t.schema_id
    {hashes}
    GROUP BY 1 ORDER BY 1"""
