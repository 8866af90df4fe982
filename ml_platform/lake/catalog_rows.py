"""Questions about the lake's own catalog that its database answers, SQLite or PostgreSQL."""

from typing import Any

from ml_platform.lake.connection import METADATA, Lake
from ml_platform.naming import literal


def catalog_rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    """The result of a query of the catalog's tables, in which {catalog} stands before each name.

    SQLite answers it itself, and gives numbers as text: a join costs 1 ms there, and 11 where DuckDB reads the tables.
    The first question of a transaction costs 3 ms more. Inside `Lake.reading()` equal queries run once.
    """
    if lake.settings.catalog.get_secret_value():
        return lake.rows(sql.format(catalog=f"{METADATA}."))
    return lake.rows(f"FROM sqlite_query('{METADATA}', {literal(sql.format(catalog=''))})")
