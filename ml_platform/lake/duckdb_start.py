"""Starts DuckDB in this process, with the extensions and limits of a lake."""

from pathlib import Path

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.extensions import load_extensions
from ml_platform.lake.lost_catalog import catalog_file, is_missing, refuse_to_replace, refuse_unfinished_restore
from ml_platform.lake.pandas_stays_out import keep_pandas_out
from ml_platform.settings import Settings


def started(settings: Settings, folder: Path, read_only: bool, spill: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB with what a lake in `folder` needs, and nothing attached. `spill`: the folder of temporary files.

    Raises LakeError while a restore is not finished, and where there is no lake to read.
    """
    catalog = settings.catalog.get_secret_value()
    refuse_unfinished_restore(settings)
    if not catalog and read_only and is_missing(catalog_file(settings)):
        refuse_to_replace(settings)
        raise LakeError(f"There is no lake in {folder}.", remedy="Run a pipeline first: `ml-platform run PIPELINE`.")
    with explained(folder):
        if not read_only:
            (folder / "tables").mkdir(parents=True, exist_ok=True)
            (folder / "staging").mkdir(exist_ok=True)
    keep_pandas_out()
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_unsigned_extensions": True,  # until `load_extensions` has loaded the wheels'
            "memory_limit": settings.memory_limit,
            "threads": settings.thread_count,
            "temp_directory": str(spill),
        }
    )
    load_extensions(connection, ["ducklake", "postgres_scanner" if catalog else "sqlite_scanner"])
    if catalog:
        # A foreign writer takes no lock of ours. Waits that grow (1.5 by default) would reach minutes at attempt 20.
        connection.execute("SET ducklake_max_retry_count = 200")
        connection.execute("SET ducklake_retry_backoff = 1.0")
    connection.execute("SET TimeZone = 'UTC'")
    return connection
