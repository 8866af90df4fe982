"""The origins of a prediction: its feature row, the validated row of its example, and the row of the file."""

from collections.abc import Mapping
from typing import Any

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import examples_sql
from ml_platform.lake.connection import Lake
from ml_platform.lake.python_rows import python_rows
from ml_platform.naming import quoted
from ml_platform.serving.batch import key_text
from ml_platform.state.lineage import LandedFile, landed_files
from ml_platform.state.stores import Stores
from ml_platform.validation.version_order import with_paths_of

Row = dict[str, Any]


def feature_row(lake: Lake, pipeline: str, definition: FeatureDefinition, prediction: Mapping[str, Any]) -> Row | None:
    """The stored feature row of a prediction; None when the partition no longer has it."""
    keys, at = definition.keys, definition.at
    table, listed = f"{quoted(pipeline)}.features", ", ".join(map(quoted, keys))
    where, parameters = "_partition = ?", [prediction["partition"]]
    if at is not None:
        where, parameters = f"{where} AND {quoted(at)} = ?", [*parameters, prediction["at"]]
    # A key is printed as polars prints it, so it is found as polars prints it.
    frame = lake.frame(f"SELECT DISTINCT {listed} FROM {table} WHERE {where}", parameters)
    matching_keys = frame.filter(key_text(keys) == prediction["key"]).rows()
    if not matching_keys:
        return None
    same = " AND ".join(f"{quoted(name)} = ?" for name in keys)
    rows = _rows(
        lake, f"SELECT * EXCLUDE (_partition) FROM {table} WHERE {where} AND {same}", [*parameters, *matching_keys[0]]
    )
    return rows[0]


def example_rows(stores: Stores, definition: FeatureDefinition, features: Mapping[str, Any]) -> list[Row]:
    """The origin of an example's row: partition, file, row of the file (from 0), hash, arrival."""
    files = {file.file_id: file for file in landed_files(stores.state) if file.table == definition.examples}
    rows = with_paths_of(definition.examples, {file_id: file.path for file_id, file in files.items()})
    same = " AND ".join(f"{quoted(name)} = ?" for name in definition.keys)
    chosen = examples_sql(
        definition, f"(SELECT * FROM ({rows}) WHERE {same})", None, None, ["_file", "_row", "_partition"]
    )
    mine = [features[name] for name in definition.keys]
    where = ""
    if definition.at is not None:
        where, mine = f"WHERE e.{quoted(definition.at)} = ?", [*mine, features[definition.at]]
    examples = _rows(stores.lake, f"SELECT e._file, e._row, e._partition FROM ({chosen}) e {where}", mine)
    return [_origin(files[row["_file"]], row) for row in examples if row["_file"] in files]


def _origin(file: LandedFile, row: Row) -> Row:
    return {
        "table": file.table,
        "partition": row["_partition"],
        "file": file.path,
        "row": row["_row"],
        "sha256": file.sha256,
        "version": file.version,
        "arrival": file.arrival,
        "status": file.status,
    }


def _rows(lake: Lake, sql: str, parameters: list[Any]) -> list[Row]:
    return python_rows(lake.frame(sql, parameters))
