"""Questions about the lake's own catalog that its database answers, SQLite or PostgreSQL."""

from typing import Any

from ml_platform.lake.connection import CATALOG, METADATA, Lake
from ml_platform.naming import literal

SNAPSHOT = f"SELECT id FROM system.main.ducklake_current_snapshot({literal(CATALOG)})"


def braced(sql: str) -> str:
    """A part of a query of `catalog_rows`, whose braces stand for themselves.

    >>> braced(literal("a{b}"))
    "'a{{b}}'"
    """
    return sql.replace("{", "{{").replace("}", "}}")


def catalog_rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    """The result of a query of the catalog's tables, in which {catalog} stands before each name.

    SQLite answers it itself, and gives numbers as text: a join costs 1 ms there, and 11 where DuckDB reads the tables.
    Inside `Lake.reading()` equal queries run once, and the first of all costs 2 ms more: with it the snapshot is taken.
    """
    if lake.settings.catalog.get_secret_value():
        return lake.rows(sql.format(catalog=f"{METADATA}."))
    if lake.is_reading:
        lake.once("the snapshot", lambda: lake.rows(SNAPSHOT, qualified=True))
    # DuckDB looks for an unqualified function in the lake first, which takes a snapshot: three quarters of the time.
    question = f"FROM system.main.sqlite_query('{METADATA}', {literal(sql.format(catalog=''))})"
    return lake.rows(question, qualified=True)
