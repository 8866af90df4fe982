"""The newest row of a table that only grows, by the catalog: without what DuckLake loads before its first answer."""

from collections.abc import Sequence
from typing import Any

from ml_platform.lake.catalog_rows import braced, catalog_rows
from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted

# `changed`: rows were deleted, or columns changed after rows were written.
_TABLE = """
SELECT t.table_id, t.path_is_relative AND s.path_is_relative AS within_tables, s.path || t.path AS path,
    (SELECT count(*) FROM {{catalog}}ducklake_delete_file d WHERE d.table_id = t.table_id AND d.end_snapshot IS NULL)
    + (SELECT count(*) FROM sqlite_master WHERE name = 'ducklake_inlined_delete_' || t.table_id)
    + (SELECT count(*) FROM {{catalog}}ducklake_column c
        WHERE c.table_id = t.table_id AND (c.begin_snapshot > t.begin_snapshot OR c.end_snapshot IS NOT NULL)
    ) AS changed,
    (SELECT c.column_id FROM {{catalog}}ducklake_column c
        WHERE c.table_id = t.table_id AND c.column_name = {number} AND c.end_snapshot IS NULL) AS number
FROM {{catalog}}ducklake_table t JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id
WHERE s.schema_name = {schema} AND t.table_name = {table} AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
"""
_INLINED = "SELECT table_name FROM {{catalog}}ducklake_inlined_data_tables WHERE table_id = {table_id}"
_OF_INLINED = "SELECT {columns} FROM {table} WHERE end_snapshot IS NULL ORDER BY {number} DESC LIMIT 1"
_FILES = """
SELECT f.path, f.path_is_relative, CAST(n.max_value AS INTEGER) AS greatest,
    f.file_format = 'parquet' AND f.encryption_key IS NULL AND f.mapping_id IS NULL AND n.max_value IS NOT NULL AS plain
FROM {{catalog}}ducklake_data_file f LEFT JOIN {{catalog}}ducklake_file_column_stats n
    ON n.data_file_id = f.data_file_id AND n.table_id = f.table_id AND n.column_id = {number}
WHERE f.table_id = {table_id} AND f.end_snapshot IS NULL ORDER BY plain, greatest DESC LIMIT 1
"""


def newest_row(lake: Lake, schema: str, table: str, number: str, columns: Sequence[str]) -> tuple[Any, ...] | None:
    """The number and some texts of the row with the highest number; None where there is no table, or no row.

    `number`: a column of whole numbers. `columns`: columns of texts. Raises duckdb.Error where a data file is lost.
    """
    if not lake.settings.catalog.get_secret_value():
        named = {"number": number, "schema": schema, "table": table}
        about = catalog_rows(lake, _TABLE.format(**{of: braced(literal(name)) for of, name in named.items()}))
        if not about:
            return None
        if len(about) == 1 and int(about[0][1]) and not int(about[0][3]) and about[0][4] is not None:
            table_id, _, folder, _, column = about[0]
            listed = ", ".join(map(quoted, (number, *columns)))
            rows = _inlined(lake, table_id, quoted(number), listed)
            files = catalog_rows(lake, _FILES.format(table_id=table_id, number=column))
            if all(int(plain) for *_, plain in files):
                for path, relative, greatest, _ in files:
                    source = literal(f"{lake.tables}/{folder}{path}" if int(relative) else path)
                    newest = (
                        f"SELECT {listed} FROM read_parquet({source}) WHERE {quoted(number)} = {int(greatest)} LIMIT 1"
                    )
                    rows += lake.rows(newest, qualified=True)
                return max(((int(first), *others) for first, *others in rows), default=None)
    if not lake.columns(schema, table):
        return None
    # Not ORDER BY … LIMIT, for which DuckLake looks into its statistics of all files.
    of_newest = ", ".join(f"arg_max({quoted(name)}, {quoted(number)})" for name in (number, *columns))
    source = f"{quoted(schema)}.{quoted(table)}"
    rows = lake.rows(f"SELECT {of_newest} FROM {source} HAVING count(*) > 0")
    return rows[0] if rows else None


def _inlined(lake: Lake, table_id: str, number: str, listed: str) -> list[tuple[Any, ...]]:
    """The newest row of each of the catalog's own tables with rows of the table."""
    rows = list[tuple[Any, ...]]()
    for (name,) in catalog_rows(lake, _INLINED.format(table_id=table_id)):
        newest = _OF_INLINED.format(columns=braced(listed), table=braced(quoted(name)), number=braced(number))
        rows += catalog_rows(lake, newest)
    return rows
