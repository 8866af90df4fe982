"""Gives the lake's connections the operational state, read-only: `FROM state.records`.

PostgreSQL is attached. Of a SQLite database a copy is, as of the moment of the call. DuckDB brings a SQLite library of
its own: if it opened the file of a process that holds it open through Python's, its closing would release the locks of
both (SQLite, "How To Corrupt An SQLite Database File", 2.2), and another process would delete the log of a database
that is in use.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import duckdb

from ml_platform.errors import LakeError, first_line
from ml_platform.lake.connection import ADDRESS, Lake
from ml_platform.lake.disk_faults import exhausted
from ml_platform.naming import literal, quoted
from ml_platform.state import engine
from ml_platform.state.schema import metadata

NAME = "state"
_COPY = "copy_of_state"


def attach(lake: Lake) -> None:
    """Attach the state to the lake's connections as `state`, as it is now. Does nothing if there is none yet."""
    try:
        if lake.settings.catalog.get_secret_value():
            options = f"TYPE postgres, READ_ONLY, SCHEMA {literal(engine.SCHEMA)}, SECRET {ADDRESS}"
            lake.connection.execute(f"ATTACH IF NOT EXISTS '' AS {NAME} ({options})")
        elif engine.path(lake.settings).exists():
            _attach_copy(lake.connection, engine.path(lake.settings))
    except (duckdb.Error, sqlite3.Error) as error:
        raise exhausted(error, Path(gettempdir())) or LakeError(
            f"The operational state cannot be attached: {first_line(error)}.", remedy="See `ml-platform doctor`."
        ) from None  # the cause may hold the address of the database


def _attach_copy(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    with TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        reading = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
        with closing(reading) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        connection.execute(f"ATTACH {literal(str(copy))} AS {_COPY} (TYPE sqlite, READ_ONLY)")
        connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {NAME}")
        for table in metadata.tables:  # COPY FROM DATABASE would also copy the indexes, and fails at partial ones
            connection.execute(f"CREATE OR REPLACE TABLE {NAME}.{quoted(table)} AS FROM {_COPY}.{quoted(table)}")
        connection.execute(f"DETACH {_COPY}")
