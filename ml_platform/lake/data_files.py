"""The tables' data files: whether they are present and whole, and what to do when they are not (S31)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ml_platform.errors import LakeError
from ml_platform.lake import known_files, snapshots
from ml_platform.lake.catalog_rows import braced, catalog_rows
from ml_platform.lake.connection import CATALOG, METADATA, Lake
from ml_platform.naming import literal

_FEW = 4  # questions about one partition cost as much as one about all of a hundred
_UNUSABLE = "unusable partitions"
PARTITION = "_partition"  # the column that every partitioned table is partitioned by

# DuckLake has no function that tells a file's partition; these tables are its published format 1.0.
# A path is relative to the table's folder, that to the schema's, that to the data path.
_PRESENT = """
WITH present AS (
    SELECT 'data' AS kind, data_file_id AS own_id, data_file_id, table_id, path, path_is_relative, file_size_bytes
    FROM {{catalog}}ducklake_data_file WHERE end_snapshot IS NULL AND {condition}
    UNION ALL
    SELECT 'delete', delete_file_id, data_file_id, table_id, path, path_is_relative, file_size_bytes
    FROM {{catalog}}ducklake_delete_file WHERE end_snapshot IS NULL AND {condition})
"""
_WHERE_IT_IS = """
    CASE WHEN f.path_is_relative AND t.path_is_relative AND s.path_is_relative THEN 1 ELSE 0 END AS within_tables,
    CASE WHEN f.path_is_relative THEN CASE WHEN t.path_is_relative THEN s.path ELSE '' END || t.path ELSE '' END
        || f.path AS path
FROM present f
JOIN {{catalog}}ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""
# Indexes of the catalog have the files by table, and by table and partition (`catalog_indexes`).
_OF_TABLES = """table_id IN (
    SELECT t.table_id FROM {{catalog}}ducklake_table t JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id
    WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND ({tables}))"""
_OF_PARTITION = (
    "data_file_id IN (SELECT data_file_id FROM {{catalog}}ducklake_file_partition_value "
    "WHERE partition_key_index = 0 AND partition_value = {partition} AND {of_tables})"
)
_FILES = f"""{_PRESENT}
SELECT s.schema_name, t.table_name, v.partition_value, f.data_file_id, f.file_size_bytes, f.kind, f.own_id,
{_WHERE_IT_IS}
LEFT JOIN {{{{catalog}}}}ducklake_file_partition_value v
    ON v.data_file_id = f.data_file_id AND v.table_id = f.table_id AND v.partition_key_index = 0
"""

_HOLDING = """
SELECT t.table_id FROM {{catalog}}ducklake_table t
JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
WHERE t.end_snapshot IS NULL AND lower(s.schema_name) = lower({schema}) AND lower(t.table_name) = lower({table}) AND (
    EXISTS (SELECT 1 FROM {{catalog}}ducklake_inlined_data_tables i WHERE i.table_id = t.table_id)
    OR EXISTS (
        SELECT 1 FROM {{catalog}}ducklake_data_file f
        LEFT JOIN {{catalog}}ducklake_file_partition_value v
            ON v.data_file_id = f.data_file_id AND v.table_id = f.table_id AND v.partition_key_index = 0
        WHERE f.table_id = t.table_id AND f.end_snapshot IS NULL AND {of}))
"""
_LOST = (
    "SELECT t.table_id FROM {catalog}ducklake_table t JOIN {catalog}ducklake_schema s ON s.schema_id = t.schema_id "
    "WHERE s.schema_name = 'platform' AND t.table_name = 'lost' AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
)


@dataclass(frozen=True)
class TablePartition:
    """A partition of a table; `partition` is None for a table without partitions."""

    schema: str
    table: str
    partition: str | None

    @property
    def name(self) -> str:
        """For people.

        >>> TablePartition("validated", "trips", "2024-01").name
        'validated.trips 2024-01'
        """
        return f"{self.schema}.{self.table} {self.partition or ''}".strip()


@dataclass(frozen=True)
class DataFile:
    """A file of the current snapshot.

    file_id: of the file with the rows. kind, own_id: "data" and the same, or "delete" and the id of the file that
             says which of the rows were deleted.
    size:    in bytes, as committed.
    """

    location: TablePartition
    path: Path
    file_id: int
    kind: str
    own_id: int
    size: int

    @property
    def is_complete(self) -> bool:
        """Whether it is there and has the size that was committed."""
        try:
            return self.path.stat().st_size == self.size
        except OSError:
            return False


def current(
    lake: Lake,
    condition: str = "true",
    *,
    tables: Collection[tuple[str, str]] | None = None,
    of: TablePartition | None = None,
) -> list[DataFile]:
    """The files of the current snapshot, those that say what was deleted included.

    `tables`: of these (schema, table) only; `of`: of this partition only, or of the whole table where it has none.
    """
    if of is not None:
        tables = [(of.schema, of.table)]
    if tables is not None:
        named = " OR ".join(_named(schema, table) for schema, table in sorted(tables)) or "1 = 0"
        of_tables = _OF_TABLES.format(tables=named)
        condition = f"{condition} AND {of_tables}"
        if of is not None and of.partition is not None:
            which = _OF_PARTITION.format(partition=braced(literal(of.partition)), of_tables=of_tables)
            condition = f"{condition} AND {which}"
    return [
        DataFile(
            TablePartition(schema, table, partition),
            lake.tables / path if int(within_tables) else Path(path),
            int(file_id),
            kind,
            int(own_id),
            int(size),
        )
        for schema, table, partition, file_id, size, kind, own_id, within_tables, path in catalog_rows(
            lake, _FILES.format(condition=condition)
        )
    ]


def paths(lake: Lake) -> set[Path]:
    """The paths of the current files."""
    return {file.path for file in current(lake)}


def damaged(lake: Lake) -> list[DataFile]:
    """Every current data file that is missing or cut short: one stat a file.

    Bytes are not hashed: reading 10 GB to skip work saves none. `file_hashes` compares them where rows are used.
    """
    if known_files.all_there(lake):
        return []  # as nearly always: nobody asks which table a file is of
    lost = [file for file in current(lake) if not file.is_complete]
    if not lost:
        known_files.forget(lake)
    return lost


def unusable(lake: Lake) -> set[TablePartition]:
    """The partitions that no ledger record may rely on: damaged, or set aside and not replaced since.

    One call answers for all tables and partitions.
    """
    return lake.once(_UNUSABLE, lambda: {file.location for file in damaged(lake)} | not_made_again(lake))


def whole(lake: Lake, schema: str, table: str, partition: str | None = None) -> bool:
    """Whether one partition (None: a whole table) can be read.

    Inside `lake.reading()` a few are asked for one by one, and all at once where there are more.
    """
    one = TablePartition(schema, table, partition)
    asked: list[TablePartition] = lake.once("partitions asked for", list)
    if lake.remembers(_UNUSABLE) or len(asked) >= _FEW:
        return one not in unusable(lake)
    asked.append(one)
    files = [file for file in current(lake, of=one) if file.location == one]
    return all(file.is_complete for file in files) and one not in not_made_again(lake)


def may_hold_rows(lake: Lake, schema: str, table: str, partition: str | None = None) -> bool:
    """Whether a partition (None: a whole table) may have rows, by the data files that the catalog names.

    What this thread did in a transaction that is still open does not count. Asking takes 5 ms at 10,000 partitions;
    there DuckLake takes half a second to look for the rows of a partition that has none.
    """
    of = (
        "1 = 1"
        if partition is None
        else f"(v.partition_value IS NULL OR v.partition_value = {braced(literal(partition))})"
    )
    return bool(
        catalog_rows(lake, _HOLDING.format(schema=braced(literal(schema)), table=braced(literal(table)), of=of))
    )


def set_aside_damaged(lake: Lake) -> set[TablePartition]:
    """Take damaged files out of the current snapshot, so that their partitions can be replaced.

    Returns all unusable partitions.

    Without this a DELETE fails on the missing file, so the rows could never be made again. Older
    snapshots still name the file, and still fail. What is set aside stays `unusable` until
    `Transaction.replace` makes it again, so a kill in between loses nothing.
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    if lost := damaged(lake):
        set_aside(lake, lost)
    return not_made_again(lake)


def set_aside(lake: Lake, files: Iterable[DataFile]) -> None:
    """Take these files out of the current snapshot. Their partitions are `unusable` until they are replaced."""
    with lake.locked("repair"):
        still_current = {(file.kind, file.own_id) for file in current(lake)}
        lost = [file for file in files if (file.kind, file.own_id) in still_current]
        if not lost:
            return  # another process did it, or replaced them
        _remember(lake, {file.location for file in lost})
        # The one place that edits DuckLake's own tables: it offers no way to drop a file unread.
        numbers = ", ".join(str(file.file_id) for file in lost)
        for kind in ("data", "delete"):
            lake.connection.execute(
                f"UPDATE {METADATA}.ducklake_{kind}_file SET end_snapshot = {snapshots.current(lake)} "
                f"WHERE end_snapshot IS NULL AND data_file_id IN ({numbers})"
            )


def made_again(lake: Lake, schema: str, table: str, partition: str | None) -> None:
    """Inside the transaction that replaced a partition: mark it as usable again."""
    if not lake.has("platform", "lost"):
        return
    lake.connection.execute(
        "DELETE FROM platform.lost WHERE schema_name = ? AND table_name = ? AND (? IS NULL OR partition = ?)",
        [schema, table, partition, partition],
    )


def _named(schema: str, table: str) -> str:
    return f"(s.schema_name = {braced(literal(schema))} AND t.table_name = {braced(literal(table))})"


def not_made_again(lake: Lake) -> set[TablePartition]:
    """The partitions that were set aside and not replaced since. Damaged current files do not count."""
    if not catalog_rows(lake, _LOST):  # in most lakes none was ever lost
        return set()
    return {TablePartition(*row) for row in lake.rows("SELECT schema_name, table_name, partition FROM platform.lost")}


def _remember(lake: Lake, partitions: Iterable[TablePartition]) -> None:
    connection = lake.connection
    connection.execute("BEGIN")
    try:
        connection.execute("CREATE SCHEMA IF NOT EXISTS platform")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS platform.lost (schema_name VARCHAR, table_name VARCHAR, partition VARCHAR)"
        )
        for lost in partitions:
            connection.execute("INSERT INTO platform.lost VALUES (?, ?, ?)", [lost.schema, lost.table, lost.partition])
        connection.execute(f"CALL {CATALOG}.set_commit_message('ml_platform', 'damaged files set aside')")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
