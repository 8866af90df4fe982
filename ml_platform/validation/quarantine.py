"""The quarantine: refused rows by rule, one by one, and what a corrected rule would let in."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted
from ml_platform.sources.raw_columns import ROW
from ml_platform.sources.scan import Refusal
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.state.files import versions
from ml_platform.state.stores import Stores
from ml_platform.validation.judging import RULE_HOLDS
from ml_platform.validation.screenings import needs_keys, screen_files
from ml_platform.validation.validated import validated_keys


@dataclass(frozen=True)
class RuleCount:
    """How many rows of a partition a rule refused, with one of the reasons."""

    table: str
    partition: str
    rule: str
    rows: int
    example: str


@dataclass(frozen=True)
class Replay:
    """What the present contract and `clean` make of the rows in quarantine.

    stale: partitions whose validated rows are to be made again. passing: quarantined rows that are
    valid now; still: those that are not. refused: files that screening refuses as a whole.
    """

    table: str
    stale: list[str]
    passing: int
    still: int
    refused: list[Refusal]


def counts(lake: Lake, table: Table, partition: str | None = None) -> list[RuleCount]:
    """Refused rows by partition and rule, most first."""
    if not lake.columns("quarantine", table.name):
        return []
    counted = lake.rows(
        f"SELECT _partition, rule, count(*), min(reason) FROM quarantine.{quoted(table.name)} "
        "WHERE ? IS NULL OR _partition = ? GROUP BY ALL ORDER BY 1, 3 DESC, 2",
        [partition, partition],
    )
    return [RuleCount(table.name, *row) for row in counted]


def rows(
    stores: Stores,
    table: Table,
    *,
    partition: str | None = None,
    rule: str | None = None,
    key: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Refused rows: partition, file (its path), row (number in the file), rule, reason, raw (JSON text).

    `key`: those whose key it is as they came, whatever the case; of a key of several columns, its parts between blanks.
    """
    if not stores.lake.columns("quarantine", table.name):
        return []
    holds, parts = ("true", []) if key is None else _of_key(table, key)
    paths = [(version.file_id, version.path) for version in versions(stores.state, table.name)]
    connection, files = stores.lake.connection, pl.DataFrame(paths, schema=["id", "path"], orient="row")
    connection.register("quarantined_files", files.to_arrow())
    try:
        frame = stores.lake.frame(
            'SELECT q._partition AS partition, f.path AS file, q._row AS "row", q.rule, q.reason, q.row AS raw '
            f"FROM quarantine.{quoted(table.name)} q JOIN temp.main.quarantined_files f ON f.id = q._file "
            f"WHERE (? IS NULL OR q._partition = ?) AND (? IS NULL OR q.rule = ?) AND {holds} ORDER BY 1, 2, 3 LIMIT ?",
            [partition, partition, rule, rule, *parts, limit],
        )
    finally:
        connection.unregister("quarantined_files")
    return frame.to_dicts()


def _of_key(table: Table, key: str) -> tuple[str, list[str]]:
    """A condition for rows that came with the key, and its parameters."""
    values = [f"trim(lower(json_extract_string(q.row, {literal(f'$.{quoted(name)}')})))" for name in table.key]
    parts = [key.strip()] if len(values) == 1 else key.split()
    if not values or not parts:
        return "false", []
    return " AND ".join([f"list_contains([{', '.join(values)}], lower(?))"] * len(parts)), parts


def replay(stores: Stores, table: Table, partitions: Partitions | None) -> Replay:
    """Screen every file under the present declaration and compare. Writes screenings, no validated rows.

    Building the stale partitions again is what lets the passing rows in. Rows refused because another
    file's row stands ("conflict") are judged there, not here.
    """
    state = screen_files(stores, table, partitions, needs_keys(stores.state, table))
    records = ledger.latest(stores.state, f"validated/{table.name}")
    keys = validated_keys(stores.state, table, partitions) or {}
    stale = sorted(name for (_, name), r in records.items() if r.content_key != keys.get(name, r.content_key))
    passing = still = 0
    if stores.lake.columns("quarantine", table.name):
        frame = stores.lake.frame(f"SELECT _file, _row FROM quarantine.{quoted(table.name)} WHERE rule <> 'conflict'")
        for (file_id,), part in frame.group_by("_file"):
            screening = state.by_file.get(str(file_id))
            if screening is None or screening.error is not None:
                still += part.height
                continue
            valid = pl.scan_parquet(stores.blobs.get(screening.digest)).filter(RULE_HOLDS).select(ROW)
            now = part.join(valid.collect(), on=ROW, how="semi").height
            passing, still = passing + now, still + part.height - now
    return Replay(table.name, stale, passing, still, state.refused)
