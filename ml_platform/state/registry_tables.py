"""The registry's tables. DuckLake knows no keys, so uniqueness is kept in code, under the write lock."""

from collections.abc import Sequence
from typing import Any

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write

SCHEMA = "registry"
_TABLES = {
    "versions": """
        pipeline VARCHAR, version BIGINT, content_key VARCHAR, partition VARCHAR, training_set VARCHAR,
        bundle VARCHAR, bounds VARCHAR, decided_at TIMESTAMPTZ, parameters VARCHAR, metrics VARCHAR,
        environment VARCHAR, code_version VARCHAR, durations VARCHAR, run_id VARCHAR, created_at TIMESTAMPTZ""",
    "verdicts": """
        pipeline VARCHAR, version BIGINT, gate VARCHAR, gate_key VARCHAR, metric VARCHAR, slice VARCHAR,
        value DOUBLE, threshold DOUBLE, low DOUBLE, high DOUBLE, passed BOOLEAN, rows BIGINT, detail VARCHAR,
        snapshot VARCHAR, measured BOOLEAN, run_id VARCHAR, recorded_at TIMESTAMPTZ""",
    "promotions": """
        seq BIGINT, pipeline VARCHAR, version BIGINT, action VARCHAR, previous BIGINT, partition VARCHAR,
        effective_at TIMESTAMPTZ, reason VARCHAR, actor VARCHAR, run_id VARCHAR, recorded_at TIMESTAMPTZ""",
}


def prepare(lake: Lake) -> None:
    """Make the registry's tables when one is missing; any number of processes may do so at once."""
    if all(lake.has(SCHEMA, table) for table in _TABLES):
        return
    with write(lake, Author(SCHEMA)) as tx:
        tx.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for table, columns in _TABLES.items():
            tx.execute(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{table} ({columns})")


def read(lake: Lake, table: str, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query on one of the tables; none while the table does not exist."""
    return lake.rows(sql, parameters) if lake.has(SCHEMA, table) else []
