"""What was made, from which key: the record that lets any rerun be a resume (S31, S32)."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, Transaction, write

_TABLES = """
CREATE SCHEMA IF NOT EXISTS platform;
CREATE TABLE IF NOT EXISTS platform.materializations (
    asset VARCHAR, partition VARCHAR, content_key VARCHAR, output VARCHAR, rows BIGINT,
    details VARCHAR, run_id VARCHAR, recorded_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS platform.reads (
    asset VARCHAR, partition VARCHAR, content_key VARCHAR,
    reads STRUCT(asset VARCHAR, partition VARCHAR, content_key VARCHAR)[], recorded_at TIMESTAMPTZ);
"""


@dataclass(frozen=True)
class Materialization:
    """One output: which asset and partition, from which key, with what bytes or rows.

    `output` is the hash of the blob or of what tells two outputs apart; empty for tables that
    are told apart by their key. `details` are JSON values for people and later steps.
    """

    asset: str
    partition: str
    content_key: str
    output: str
    rows: int
    details: dict[str, Any]
    run_id: str
    recorded_at: datetime


def prepare(lake: Lake) -> None:
    """Make the platform's own tables when they are missing."""
    if lake.has("platform", "materializations") and lake.has("platform", "reads"):
        return
    with write(lake, Author("platform")) as tx:
        for statement in _TABLES.split(";"):
            if statement.strip():
                tx.execute(statement)


def record(
    tx: Transaction, author: Author, *, rows: int, output: str = "", details: dict[str, Any] | None = None
) -> None:
    """Add a row to the ledger and the reads behind it, in the transaction that writes the output."""
    now = datetime.now(UTC)
    tx.execute(
        "INSERT INTO platform.materializations VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            author.asset,
            author.partition,
            author.content_key,
            output,
            rows,
            json.dumps(details or {}),
            author.run_id,
            now,
        ],
    )
    record_reads(tx, author, now)


def record_reads(tx: Transaction, author: Author, at: datetime) -> None:
    """Keep what an output was made from; nothing where files are taken in, for they come from outside.

    One row an output, in a table that no plan reads: so few rows at a time that they need no file.
    """
    if author.asset.startswith("raw/"):
        return
    reads = [asdict(read) for read in author.reads]
    tx.execute(
        "INSERT INTO platform.reads VALUES (?, ?, ?, ?, ?)",
        [author.asset, author.partition, author.content_key, reads, at],
    )


def latest(lake: Lake, asset: str | None = None) -> dict[tuple[str, str], Materialization]:
    """The newest record of every (asset, partition), or of one asset's partitions, in one query.

    All are read either way, so that inside `Lake.reading` one look answers every question.
    """
    by_asset = lake.once("ledger", lambda: _by_asset(lake))
    if asset is not None:
        return dict(by_asset.get(asset, {}))
    return {place: record for records in by_asset.values() for place, record in records.items()}


def _by_asset(lake: Lake) -> dict[str, dict[tuple[str, str], Materialization]]:
    found = lake.rows(
        "SELECT asset, partition, content_key, output, rows, details, run_id, recorded_at "
        "FROM platform.materializations "
        "QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY recorded_at DESC, rowid DESC) = 1"
    )
    records: dict[str, dict[tuple[str, str], Materialization]] = {}
    for row in found:
        records.setdefault(row[0], {})[row[0], row[1]] = _materialization(*row)
    return records


def _materialization(
    asset: str, partition: str, content_key: str, output: str, rows: int, details: str, run_id: str, at: datetime
) -> Materialization:
    return Materialization(asset, partition, content_key, output, rows, json.loads(details), run_id, at)
