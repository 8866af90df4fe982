"""The functions that a query of a person may call: those that read.

DuckDB lets a SELECT call functions that write files, change other databases or delete what DuckLake keeps, and
read-only databases stop some of them only. Some act before anything runs, while the query is bound. So the names are
looked up in the parsed query, and a table function that is not listed here is refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from ml_platform.errors import QuestionRefused, did_you_mean

_OF_DUCKLAKE = (
    *("snapshots", "current_snapshot", "last_committed_snapshot", "options", "settings", "table_info", "list_files"),
    *("table_changes", "table_insertions", "table_deletions"),
)
_FILES = frozenset(
    {
        *("glob", "read_text", "read_blob", "read_csv", "read_csv_auto", "sniff_csv", "read_parquet", "parquet_scan"),
        *("read_json", "read_json_auto", "read_json_objects", "read_json_objects_auto"),
        *("read_ndjson", "read_ndjson_auto", "read_ndjson_objects"),
        *("parquet_metadata", "parquet_file_metadata", "parquet_full_metadata", "parquet_kv_metadata"),
        *("parquet_schema", "parquet_bloom_probe"),
    }
)
_READING = _FILES | frozenset(
    {
        *("range", "generate_series", "unnest", "repeat", "repeat_row", "query_table", "summary"),
        *("histogram", "histogram_values", "json_each", "json_tree", "pg_timezone_names", "icu_calendar_names"),
        *("duckdb_approx_database_count", "duckdb_columns", "duckdb_connection_count", "duckdb_constraints"),
        *("duckdb_databases", "duckdb_dependencies", "duckdb_extensions", "duckdb_functions", "duckdb_indexes"),
        *("duckdb_keywords", "duckdb_memory", "duckdb_optimizers", "duckdb_schemas", "duckdb_secrets"),
        *("duckdb_secret_types", "duckdb_sequences", "duckdb_settings", "duckdb_tables", "duckdb_temporary_files"),
        *("duckdb_types", "duckdb_variables", "duckdb_views"),
        *("pragma_collations", "pragma_database_size", "pragma_metadata_info", "pragma_platform", "pragma_show"),
        *("pragma_storage_info", "pragma_table_info", "pragma_user_agent", "pragma_version"),
        *_OF_DUCKLAKE,  # as `lake.snapshots()`
        *(f"ducklake_{name}" for name in _OF_DUCKLAKE),
    }
)
# Of the scalar functions that do more than compute, those that only tell something.
_TELLING = frozenset(
    {
        *("random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error", "sleep_ms", "stats", "currval"),
        *("current_query", "current_query_id", "current_transaction_id", "current_connection_id"),
    }
)
# DuckDB's catalog does not call it volatile. It fails on a lake, with an internal error that ends the connection.
_FAILING = ("txid_current",)
_ITSELF = "Write the query itself: a text that is run as SQL cannot be looked at before."
_LISTING = "`SHOW ALL TABLES` lists what there is."


def refuse_other_functions(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> None:
    """Raise QuestionRefused when the query calls a function that does more than read. Nothing of it runs.

    Args:
        connection: Any; it parses the query.
        query: One statement of the kind SELECT.
        folder: Absolute: the folder of the files that may be read.
    """
    tree = _parsed(connection, query)
    for function in _table_functions(tree):
        name = function["function_name"].lower()
        if name in _FILES and not all(_is_inside(path, folder) for path in _paths(function)):
            raise QuestionRefused(
                f"A query may call {name} for files of the lake's tables only.",
                remedy=f"Write their paths as texts that begin with {folder}, or read a table by its name.",
            )
        if name not in _READING:
            raise QuestionRefused(
                f"A query may not call {name}: it writes, or reads outside of the lake, or is unknown.",
                remedy=_ITSELF if name == "query" else did_you_mean(name, _READING) or _LISTING,
            )
    acting = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type <> 'table' "
        "AND (has_side_effects OR stability = 'VOLATILE' OR list_contains(?::VARCHAR[], function_name)) "
        "AND list_contains(?::VARCHAR[], function_name) LIMIT 1",
        [list(_FAILING), sorted(set(_functions(tree)) - _TELLING)],
    ).fetchone()
    if acting is not None:
        raise QuestionRefused(
            f"A query may not call {acting[0]}: it does more than read, or fails on a lake.",
            remedy="Ask for values and tables only.",
        )


def _parsed(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        raise QuestionRefused(
            "This statement is not a plain query.", remedy="Write SELECT, FROM, VALUES, DESCRIBE, SHOW or SUMMARIZE."
        )
    return tree


def _table_functions(tree: Any) -> Iterator[dict[str, Any]]:
    """The functions that stand where tables do."""
    for node in _nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            yield node["function"]


def _paths(function: dict[str, Any]) -> Iterator[str | None]:
    """The files that a function is to read; None for what is only known once it is computed."""
    first = function["children"][0] if function["children"] else {}
    for path in first["children"] if first.get("function_name") == "list_value" else [first]:
        value = path["value"].get("value") if path.get("class") == "CONSTANT" else None  # NULL has none
        yield value if isinstance(value, str) else None


def _is_inside(path: str | None, folder: Path) -> bool:
    # DuckDB itself also allows the files of attached databases, and to close one would release SQLite's locks.
    return path is not None and path.startswith(f"{folder}/") and ".." not in path.split("/")


def _functions(tree: Any) -> Iterator[str]:
    for node in _nodes(tree):
        if isinstance(node.get("function_name"), str):
            yield node["function_name"].lower()


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
