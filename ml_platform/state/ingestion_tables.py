"""The platform's own tables about files, what was read from them and what became of it."""

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write

TABLES = {
    # One row per file version. `version` counts the versions of a path from 1; `columns` is JSON:
    # name in the file -> [column in raw or null, polars type]; `read_key` says how it was read.
    "files": "table_name VARCHAR, file_id VARCHAR, path VARCHAR, version INTEGER, sha256 VARCHAR, bytes BIGINT, "
    "mtime_ns BIGINT, rows BIGINT, columns VARCHAR, arrival TIMESTAMPTZ, declared BOOLEAN, status VARCHAR, "
    "replaces VARCHAR, replaced_at TIMESTAMPTZ, error VARCHAR, read_key VARCHAR, run_id VARCHAR, "
    "recorded_at TIMESTAMPTZ",
    # Arrivals declared by `land(arrived=)`, for contents that may not have been read yet.
    "landings": "table_name VARCHAR, path VARCHAR, sha256 VARCHAR, arrival TIMESTAMPTZ, recorded_at TIMESTAMPTZ",
    # One row per file version and screening key. `partitions` is JSON: partition ("" where no row
    # of the file tells one) -> counts; `error` says why `clean` or the contract refused the file.
    "screenings": "table_name VARCHAR, file_id VARCHAR, screening_key VARCHAR, digest VARCHAR, rows BIGINT, "
    "refused BIGINT, duplicates BIGINT, dropped BIGINT, partitions VARCHAR, error VARCHAR, "
    "recorded_at TIMESTAMPTZ",
    # One row per column, partition and, of a table without partitions, content. `levels`, `forms`,
    # `hours` and `days` are JSON counts; `version` tells which code counted (`quality/profile.py`).
    "profiles": "table_name VARCHAR, partition VARCHAR, column_name VARCHAR, type VARCHAR, rows BIGINT, "
    'nulls BIGINT, "distinct" BIGINT, min VARCHAR, max VARCHAR, mean DOUBLE, std DOUBLE, q01 DOUBLE, '
    "q25 DOUBLE, q50 DOUBLE, q75 DOUBLE, q99 DOUBLE, levels VARCHAR, content_key VARCHAR, "
    "version BIGINT, nans BIGINT, most_common BIGINT, forms VARCHAR, hours VARCHAR, days VARCHAR",
}


def prepare(lake: Lake) -> None:
    """Make the tables of this package when they are missing, and the columns that older code did not have."""
    there = {name: lake.columns("platform", name) for name in TABLES}
    lacking = [
        (name, c) for name, columns in TABLES.items() for c in columns.split(", ") if _name(c) not in there[name]
    ]
    if not lacking:
        return
    with write(lake, Author("platform")) as tx:
        tx.execute("CREATE SCHEMA IF NOT EXISTS platform")
        for name, columns in TABLES.items():
            tx.execute(f"CREATE TABLE IF NOT EXISTS platform.{name} ({columns})")
        for name, column in lacking:
            tx.execute(f"ALTER TABLE platform.{name} ADD COLUMN IF NOT EXISTS {column}")


def _name(column: str) -> str:
    return column.split()[0].strip('"')
