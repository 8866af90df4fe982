"""Where few rows are kept: in Parquet files like many rows, but for the platform's own small tables.

DuckLake would keep few rows in tables of the catalog. These take 2,000 columns (SQLite) or 1,600 (PostgreSQL), no
names beyond 63 characters there, no names of DuckLake's own, and not every type. A user's table must hold whatever
comes, few rows and many alike.
"""

import duckdb

_OPTION = "data_inlining_row_limit"
_ROWS = 10  # at most so many rows of one insert stay in the catalog
_SMALL_TABLES = ("platform", "registry", "lineage")  # schemas of narrow tables that grow by a few rows a run


def is_set_up(connection: duckdb.DuckDBPyConnection, catalog: str) -> bool:
    """Whether the attached lake was told so; 5 ms."""
    asked = f"SELECT 1 FROM {catalog}.options() WHERE option_name = '{_OPTION}' AND scope = 'GLOBAL'"
    return connection.execute(asked).fetchone() is not None


def set_up(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Tell the attached lake, once. Under the write lock, or before anybody else knows the lake."""
    if is_set_up(connection, catalog):
        return
    asked = "SELECT DISTINCT schema_name FROM duckdb_views() WHERE database_name = ? AND NOT internal"
    with_views = {name for (name,) in connection.execute(asked, [catalog]).fetchall()}
    for schema in _SMALL_TABLES:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")
        if schema not in with_views:  # DuckLake 1.0 ends the process at an option of a schema that holds a view
            connection.execute(f"CALL {catalog}.set_option('{_OPTION}', {_ROWS}, schema => '{schema}')")
    connection.execute(f"CALL {catalog}.set_option('{_OPTION}', 0)")
