"""Partition pruning by the catalog: the rows of a few partitions, read from the files that hold them.

For every column in a WHERE DuckLake reads its statistics of all files of all tables: 0.2 s where there are 50,000.
One indexed question to the catalog names the files of a partition in 2 ms. Whatever is not plain is left to DuckLake:
inlined rows, deletions, files from before a column changed, nested and rare types, a catalog in PostgreSQL, and a
transaction that writes.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.lake import snapshots
from ml_platform.lake.catalog_rows import braced, catalog_rows
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import PARTITION
from ml_platform.lake.key_bounds import Bounds
from ml_platform.lake.writers import is_writing
from ml_platform.naming import literal, quoted

_FEW = 100  # files; a query of more costs what DuckLake does
_GLOB = re.compile(r"[*?\[\]{}]")  # of a path; read_parquet would look for other files
_TYPES = {
    **{f"int{bits}": f"{name}INT" for bits, name in ((8, "TINY"), (16, "SMALL"), (64, "BIG"))},
    **{f"uint{bits}": f"U{name}INT" for bits, name in ((8, "TINY"), (16, "SMALL"), (64, "BIG"))},
    "int32": "INTEGER",
    "uint32": "UINTEGER",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "varchar": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
}
_TABLE = """
SELECT t.table_id, t.path_is_relative AND s.path_is_relative AS within_tables, s.path || t.path AS path,
    (SELECT max(snapshot_id) FROM {{catalog}}ducklake_snapshot) AS newest,
    (SELECT count(*) FROM {{catalog}}ducklake_inlined_data_tables i WHERE i.table_id = t.table_id)
    + (SELECT count(*) FROM sqlite_master WHERE name = 'ducklake_inlined_delete_' || t.table_id) AS inlined,
    (SELECT count(*) FROM {{catalog}}ducklake_data_file f
        WHERE f.table_id = t.table_id AND f.partition_id IS NULL AND {stood}) AS unpartitioned
FROM {{catalog}}ducklake_table t JOIN {{catalog}}ducklake_schema s ON s.schema_id = t.schema_id
WHERE lower(s.schema_name) = lower({schema}) AND lower(t.table_name) = lower({table})
    AND t.begin_snapshot <= {snapshot} AND (t.end_snapshot IS NULL OR t.end_snapshot > {snapshot})
    AND s.begin_snapshot <= {snapshot} AND (s.end_snapshot IS NULL OR s.end_snapshot > {snapshot})
"""
_COLUMNS = """
SELECT column_id, column_name, column_type, begin_snapshot, end_snapshot, parent_column
FROM {{catalog}}ducklake_column WHERE table_id = {table_id} AND begin_snapshot <= {snapshot} ORDER BY column_order
"""
_PARTITIONED_BY = """
SELECT c.column_id, c.transform FROM {{catalog}}ducklake_partition_info p
JOIN {{catalog}}ducklake_partition_column c ON c.partition_id = p.partition_id AND c.table_id = p.table_id
WHERE p.table_id = {table_id} AND p.begin_snapshot <= {snapshot}
"""
_FILES = """
SELECT v.partition_value, f.data_file_id, f.path, f.path_is_relative, f.begin_snapshot, f.mapping_id,
    f.file_format = 'parquet' AND f.encryption_key IS NULL AND coalesce(f.partial_max, 0) <= {snapshot}
    AND NOT EXISTS (SELECT 1 FROM {{catalog}}ducklake_delete_file d WHERE d.data_file_id = f.data_file_id) AS plain
FROM {{catalog}}ducklake_file_partition_value v JOIN {{catalog}}ducklake_data_file f ON f.data_file_id = v.data_file_id
WHERE v.table_id = {table_id} AND f.table_id = {table_id} AND v.partition_key_index = 0 AND {which} AND {stood}
ORDER BY f.data_file_id
"""
_MAPPED = """
SELECT target_field_id, source_name, is_partition, parent_column
FROM {{catalog}}ducklake_name_mapping WHERE mapping_id = {mapping_id}
"""
# The files whose values of a column are all outside a range. What is not known is not outside.
_OUTSIDE = (
    "f.data_file_id NOT IN (SELECT data_file_id FROM {{catalog}}ducklake_file_column_stats "
    "WHERE table_id = {table_id} AND column_id = {column_id} AND ({outside}))"
)
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
# Texts have the order of their times where the year has four digits, BC is not added, the zone is the same, and no
# fraction ends with 0. DuckDB writes them so. The end of a text by type:
_TIMES = {"DATE": "", "TIMESTAMP": "", "TIMESTAMP WITH TIME ZONE": "+00"}
_STOOD = "f.begin_snapshot <= {snapshot} AND (f.end_snapshot IS NULL OR f.end_snapshot > {snapshot})"


@dataclass(frozen=True)
class _Table:
    """A table whose files can be read as they are, at a snapshot. `columns`: name → (id, SQL type), in order."""

    table_id: int
    snapshot: int
    folder: str
    columns: dict[str, tuple[int, str]]
    changed: int  # the last snapshot that changed a column


def asked_of(
    lake: Lake,
    schema: str,
    table: str,
    partitions: str | Collection[str],
    query: str,
    parameters: Sequence[Any] | None = None,
) -> list[tuple[Any, ...]]:
    """The result of a query of the rows of one or of some partitions, which {rows} in it stands for.

    It names no other table. Then DuckLake need not load which tables there are (50 ms), where the files are read.
    """
    which = _which(partitions)
    of_files = _rows_of_files(lake, schema, table, which)
    rows = of_files or _every_row(schema, table, which)
    return lake.rows(query.format(rows=rows), parameters, qualified=of_files is not None)


def rows_of(lake: Lake, schema: str, table: str, partitions: str | Collection[str]) -> str:
    """What to select the rows of one or of some partitions of a table from: SQL in brackets, with all its columns.

    The rows and types are those of `SELECT * FROM schema.table WHERE _partition = …`. They are those of the lake at
    this moment: ask again after a write.
    """
    return _rows_of(lake, schema, table, _which(partitions))


def rows_between(lake: Lake, schema: str, table: str, first: str, last: str) -> str:
    """The same of the partitions from `first` to `last`, both included, in the order of their names."""
    return _rows_of(lake, schema, table, f"BETWEEN {literal(first)} AND {literal(last)}")


def rows_within(lake: Lake, schema: str, table: str, bounds: Bounds) -> str:
    """What to select from for the rows of a table within the bounds: all of them are there, and perhaps others."""
    every = f"(SELECT * FROM {quoted(schema)}.{quoted(table)})"
    return _rows(lake, schema, table, bounds) or every if bounds.ranges else every


def _which(partitions: str | Collection[str]) -> str | None:
    """The condition on the partition, without its column; None: no partition."""
    wanted = [partitions] if isinstance(partitions, str) else sorted(set(partitions))
    if not wanted:
        return None
    return f"IN ({', '.join(map(literal, wanted))})" if len(wanted) > 1 else f"= {literal(wanted[0])}"


def _rows_of(lake: Lake, schema: str, table: str, which: str | None) -> str:
    return _rows_of_files(lake, schema, table, which) or _every_row(schema, table, which)


def _rows_of_files(lake: Lake, schema: str, table: str, which: str | None) -> str | None:
    return _rows(lake, schema, table, f"v.partition_value {braced(which)}") if which is not None else None


def _every_row(schema: str, table: str, which: str | None) -> str:
    condition = f"{PARTITION} {which}" if which is not None else "false"
    return f"(SELECT * FROM {quoted(schema)}.{quoted(table)} WHERE {condition})"


def _rows(lake: Lake, schema: str, table: str, which: str | Bounds) -> str | None:
    """The rows of the files of which the catalog says so, or None where they are not read as they are."""
    rows = None
    if not is_writing(lake) and not lake.settings.catalog.get_secret_value():
        with lake.reading():  # one snapshot of the catalog for all questions
            described = _described(lake, schema, table)
            rows = None if described is None else _read(lake, described, which)
    return rows


def _described(lake: Lake, schema: str, table: str) -> _Table | None:
    """The table, or None where its files cannot be read as they are."""
    snapshot = snapshots.current(lake)
    stood = _STOOD.format(snapshot=snapshot)
    schema, table = (braced(literal(name)) for name in (schema, table))
    about = catalog_rows(lake, _TABLE.format(schema=schema, table=table, snapshot=snapshot, stood=stood))
    if len(about) != 1:
        return None
    table_id, within, folder, newest, inlined, unpartitioned = about[0]
    # DuckLake and the questions here have a transaction of the catalog each. Its may be the later one.
    if int(newest) < snapshot or not int(within) or int(inlined) or int(unpartitioned):
        return None
    rows = catalog_rows(lake, _COLUMNS.format(table_id=table_id, snapshot=snapshot))
    ends = [int(end) for *_, end, _ in rows if end is not None and int(end) <= snapshot]
    columns = _columns([row for row in rows if row[4] is None or int(row[4]) > snapshot])
    changed = max([*(int(row[3]) for row in rows), *ends])
    if columns is None:
        return None
    keys = catalog_rows(lake, _PARTITIONED_BY.format(table_id=table_id, snapshot=snapshot))
    if [(int(number), transform) for number, transform in keys] != [(columns.get(PARTITION, (-1,))[0], "identity")]:
        return None
    return _Table(int(table_id), snapshot, f"{lake.tables}/{folder}", columns, changed)


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, tuple[int, str]] | None:
    """Name → id and SQL type; None where there is a type other than numbers, texts, times and lists of them."""
    elements = {parent: kind for _, _, kind, *_, parent in rows if parent is not None}
    columns = dict[str, tuple[int, str]]()
    for number, name, kind, *_, parent in rows:
        if parent is None:
            scalar = _sql_type(elements.pop(number, "")) if kind == "list" else _sql_type(kind)
            if scalar is None:
                return None
            columns[name] = int(number), f"{scalar}[]" if kind == "list" else scalar
    return None if elements else columns


def _sql_type(kind: str) -> str | None:
    return kind.upper() if kind.startswith("decimal(") else _TYPES.get(kind)


def _within(table: _Table, bounds: Bounds) -> str:
    """A condition of the catalog on the files whose values may be within the bounds."""
    conditions = ["1 = 1"]
    for name, (kind, least, greatest) in bounds.ranges.items():
        number, stored_kind = table.columns.get(name, (0, ""))
        low, high = (braced(literal(end)) for end in (least, greatest))
        if kind != stored_kind:
            continue
        if kind in _WHOLE:
            outside = f"CAST(max_value AS INTEGER) < {int(least)} OR CAST(min_value AS INTEGER) > {int(greatest)}"
        elif kind == "VARCHAR":
            outside = f"max_value < {low} OR min_value > {high}"
        elif kind in _TIMES:
            end = _TIMES[kind]
            ordered = [
                f"{text} GLOB '[0-9][0-9][0-9][0-9]-*[0-9]{end}' AND {text} NOT GLOB '*.*0{end}'"
                for text in ("max_value", "min_value", low, high)
            ]
            outside = f"{' AND '.join(ordered)} AND (max_value < {low} OR min_value > {high})"
        else:
            continue
        conditions.append(_OUTSIDE.format(table_id=table.table_id, column_id=number, outside=outside))
    return " AND ".join(conditions)


def _read(lake: Lake, table: _Table, which: str | Bounds) -> str | None:
    files = catalog_rows(
        lake,
        _FILES.format(
            snapshot=table.snapshot,
            table_id=table.table_id,
            which=_within(table, which) if isinstance(which, Bounds) else which,
            stood=_STOOD.format(snapshot=table.snapshot),
        ),
    )
    paths = dict[str | None, list[str]]()
    if len(files) > _FEW:
        return None
    for partition, _, path, relative, begin, mapping, plain in files:
        if not int(plain) or int(begin) < table.changed or not _has_all_columns(lake, table, mapping):
            return None
        of_one = paths.setdefault(None if mapping is None else partition, [])
        of_one.append(table.folder + path if int(relative) else path)
    if any(_GLOB.search(path) for of_one in paths.values() for path in of_one):
        return None
    parts = [_select(table, partition, of_one) for partition, of_one in paths.items()]
    return f"({' UNION ALL '.join(parts) or _select(table, None, [])})"


def _has_all_columns(lake: Lake, table: _Table, mapping: str | int | None) -> bool:
    """Whether a file that was added to the table has each column but the partition's, by its name of today."""
    if mapping is None:  # DuckLake wrote it
        return True
    wanted = {(number, name) for name, (number, _) in table.columns.items() if name != PARTITION}
    rows = catalog_rows(lake, _MAPPED.format(mapping_id=mapping))
    return wanted <= {(int(number), name) for number, name, hive, parent in rows if parent is None and not int(hive)}


def _select(table: _Table, partition: str | None, paths: list[str]) -> str:
    """The rows of these files, of that partition where it is no column of theirs."""
    values = {name: quoted(name) if paths else "NULL" for name in table.columns}
    if partition is not None:
        values[PARTITION] = literal(partition)
    columns = [f"CAST({values[name]} AS {kind}) AS {quoted(name)}" for name, (_, kind) in table.columns.items()]
    listed = ", ".join(map(literal, paths))
    source = f"read_parquet([{listed}], hive_partitioning = false)" if paths else "(SELECT 1) WHERE false"
    return f"SELECT {', '.join(columns)} FROM {source}"
