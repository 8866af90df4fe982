"""The bytes of what was removed: older snapshots, data files, statistics and free pages of databases."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from ml_platform.errors import LakeError
from ml_platform.lake import file_hashes, leftovers, snapshots, sqlite_copies
from ml_platform.lake.connection import CATALOG, METADATA, Lake
from ml_platform.naming import literal, quoted

_NOW = timedelta(0)


def purge_lake(lake: Lake, changed: Collection[tuple[str, str]]) -> None:
    """Write data files without deleted rows, and remove all that only older snapshots name. Rows do not change.

    changed: (schema, table) of which rows were deleted.
    """
    with lake.locked("the erasure"):
        _call(lake, "ducklake_flush_inlined_data")
        _call(lake, "ducklake_rewrite_data_files", "delete_threshold => 0.0")
        newest = snapshots.current(lake)
        old = [
            str(number) for (number,) in lake.rows(f"SELECT snapshot_id FROM {CATALOG}.snapshots()") if number != newest
        ]
        if old:
            _call(lake, "ducklake_expire_snapshots", f"versions => [{', '.join(old)}]")
        _call(lake, "ducklake_cleanup_old_files", "cleanup_all => true")
        leftovers.remove_orphans(lake, _NOW)
        _narrow_statistics(lake, changed)
        file_hashes.forget_removed(lake)
    file_hashes.tend(lake)


def _call(lake: Lake, function: str, *arguments: str) -> None:
    lake.rows(f"FROM {function}({', '.join([repr(CATALOG), *arguments])})")


def _narrow_statistics(lake: Lake, changed: Collection[tuple[str, str]]) -> None:
    """Let the least and greatest values that the catalog keeps of each table be values that it still has.

    DuckLake only ever widens them. They are of all rows that ever were, so that an extreme value would stay.
    """
    columns = lake.rows(
        f"SELECT s.table_id, s.column_id, n.schema_name, t.table_name, c.column_name, s.min_value, s.max_value "
        f"FROM {METADATA}.ducklake_table_column_stats s "
        f"JOIN {METADATA}.ducklake_table t ON t.table_id = s.table_id AND t.end_snapshot IS NULL "
        f"JOIN {METADATA}.ducklake_schema n ON n.schema_id = t.schema_id AND n.end_snapshot IS NULL "
        f"JOIN {METADATA}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id "
        "AND c.end_snapshot IS NULL AND c.parent_column IS NULL "
        "WHERE s.min_value IS NOT NULL OR s.max_value IS NOT NULL"
    )
    by_table: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for table_id, column_id, schema, table, column, *_ in columns:
        if (schema, table) in changed:
            by_table.setdefault((schema, table), []).append((table_id, column_id, column))
    before = {(row[0], row[1]): (row[5], row[6]) for row in columns}
    for (schema, table), of_table in by_table.items():
        extremes = [f"CAST({which}({quoted(name)}) AS VARCHAR)" for *_, name in of_table for which in ("min", "max")]
        (values,) = lake.rows(f"SELECT {', '.join(extremes)} FROM {quoted(schema)}.{quoted(table)}")
        for number, (table_id, column_id, _) in enumerate(of_table):
            now = values[2 * number], values[2 * number + 1]
            if now != before[table_id, column_id]:
                low, high = ("NULL" if value is None else literal(value) for value in now)
                lake.connection.execute(
                    f"UPDATE {METADATA}.ducklake_table_column_stats SET min_value = {low}, max_value = {high} "
                    f"WHERE table_id = {table_id} AND column_id = {column_id}"
                )
    # Statistics of files and columns that no snapshot has any more.
    for statistics in ("ducklake_file_column_stats", "ducklake_file_variant_stats"):
        if lake.rows(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND table_name = ?", [METADATA, statistics]
        ):
            lake.connection.execute(
                f"DELETE FROM {METADATA}.{statistics} WHERE data_file_id NOT IN "
                f"(SELECT data_file_id FROM {METADATA}.ducklake_data_file)"
            )


def rewrite_databases(paths: Sequence[Path]) -> None:
    """Write SQLite databases anew, so that no free page holds what was deleted. Raises LakeError for one in use."""
    if refusal := sqlite_copies.rewrite([path for path in paths if path.exists()]):
        raise LakeError(
            f"A database could not be written anew: {refusal}.",
            remedy="End what has it open, and `ml-platform forget --resume`.",
        )
