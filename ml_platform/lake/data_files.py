"""The tables' data files: whether they are present and whole, and what to do when they are not (S31)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml_platform.errors import LakeError
from ml_platform.lake import snapshots
from ml_platform.lake.connection import CATALOG, METADATA, Lake

PARTITION = "_partition"  # the column that every partitioned table is partitioned by

# DuckLake has no function that tells a file's partition; these tables are its published format 1.0.
# A path is relative to the table's folder, that to the schema's, that to the data path.
_FILES = f"""
WITH present AS (
    SELECT data_file_id, table_id, path, path_is_relative, file_size_bytes
    FROM {METADATA}.ducklake_data_file WHERE end_snapshot IS NULL
    UNION ALL
    SELECT data_file_id, table_id, path, path_is_relative, file_size_bytes
    FROM {METADATA}.ducklake_delete_file WHERE end_snapshot IS NULL)
SELECT s.schema_name, t.table_name, v.partition_value, f.data_file_id, f.file_size_bytes,
    CASE WHEN f.path_is_relative THEN
        CASE WHEN t.path_is_relative THEN CASE WHEN s.path_is_relative THEN ? ELSE '' END || s.path ELSE '' END
        || t.path ELSE '' END || f.path
FROM present f
JOIN {METADATA}.ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN {METADATA}.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
LEFT JOIN {METADATA}.ducklake_file_partition_value v
    ON v.data_file_id = f.data_file_id AND v.table_id = f.table_id AND v.partition_key_index = 0
"""


@dataclass(frozen=True)
class TablePartition:
    """A partition of a table; `partition` is None for a table without partitions."""

    schema: str
    table: str
    partition: str | None


@dataclass(frozen=True)
class Damage:
    """A data file that is missing or has another size than was committed."""

    location: TablePartition
    path: Path
    file_id: int


def paths(lake: Lake) -> set[Path]:
    """The files of the current snapshot, those that say what was deleted included."""
    return {Path(path) for *_, path in lake.rows(_FILES, [f"{lake.tables}/"])}


def damaged(lake: Lake) -> list[Damage]:
    """Every current data file that is missing or cut short: one query and one stat a file.

    Bytes are not hashed: DuckLake keeps no hash, and reading 10 GB to skip work saves none.
    """
    damage = []
    for schema, table, partition, file_id, size, path in lake.rows(_FILES, [f"{lake.tables}/"]):
        try:
            whole = Path(path).stat().st_size == size
        except OSError:
            whole = False
        if not whole:
            damage.append(Damage(TablePartition(schema, table, partition), Path(path), file_id))
    return damage


def unusable(lake: Lake) -> set[TablePartition]:
    """The partitions that no ledger record may rely on: damaged, or set aside and not replaced since.

    One call answers for all tables and partitions.
    """
    return lake.once("unusable partitions", lambda: {damage.location for damage in damaged(lake)} | _set_aside(lake))


def whole(lake: Lake, schema: str, table: str, partition: str | None = None) -> bool:
    """Whether one partition (None: a whole table) can be read. For many, ask `unusable` once."""
    return TablePartition(schema, table, partition) not in unusable(lake)


def set_aside_damaged(lake: Lake) -> set[TablePartition]:
    """Take damaged files out of the current snapshot, so that their partitions can be replaced.

    Returns all unusable partitions.

    Without this a DELETE fails on the missing file, so the rows could never be made again. Older
    snapshots still name the file, and still fail. What is set aside stays `unusable` until
    `Transaction.replace` makes it again, so a kill in between loses nothing.
    """
    if lake.read_only:
        raise LakeError("This lake was opened read-only.", remedy="Open it for writing.")
    if not damaged(lake):
        return _set_aside(lake)
    with lake.locked("repair"):
        lost = damaged(lake)
        _remember(lake, {damage.location for damage in lost})
        # The one place that edits DuckLake's own tables: it offers no way to drop a file unread.
        numbers = ", ".join(str(damage.file_id) for damage in lost) or "NULL"
        for kind in ("data", "delete"):
            lake.connection.execute(
                f"UPDATE {METADATA}.ducklake_{kind}_file SET end_snapshot = {snapshots.current(lake)} "
                f"WHERE end_snapshot IS NULL AND data_file_id IN ({numbers})"
            )
    return _set_aside(lake)


def made_again(lake: Lake, schema: str, table: str, partition: str | None) -> None:
    """Inside the transaction that replaced a partition: mark it as usable again."""
    if not lake.has("platform", "lost"):
        return
    lake.connection.execute(
        "DELETE FROM platform.lost WHERE schema_name = ? AND table_name = ? AND (? IS NULL OR partition = ?)",
        [schema, table, partition, partition],
    )


def _set_aside(lake: Lake) -> set[TablePartition]:
    if not lake.has("platform", "lost"):
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
