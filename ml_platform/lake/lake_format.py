"""The lake's own format: which code may write it, and which lake it is.

The number is raised with every change after which an older version would write rows, views or content keys that this
one would write again: two versions would then take turns. The first opening for writing raises the number of an older
lake; from then on older versions refuse it by name. They ask at every write, so also where they have it open for weeks.
"""

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake.lost_catalog import damaged_catalog
from ml_platform.settings import Settings

FORMAT = 1  # 0: a lake from before the number was kept; nothing in it has to change
_KEY = "ml_platform_format"


def recorded(connection: duckdb.DuckDBPyConnection, metadata: str) -> int:
    """The format of the attached lake."""
    asked = f"SELECT value FROM {metadata}.ducklake_metadata WHERE key = '{_KEY}'"
    row = connection.execute(asked).fetchone()
    return int(row[0]) if row else 0


def refuse_newer(connection: duckdb.DuckDBPyConnection, metadata: str, settings: Settings) -> int:
    """The format of the attached lake. Raises LakeError for one that newer code has written."""
    number = recorded(connection, metadata)
    if number > FORMAT:
        raise LakeError(
            f"The lake in {settings.lake.resolve()} has format {number}; this version knows up to {FORMAT}.",
            remedy="Use the version of ml_platform that wrote it, or a newer one.",
        )
    return number


def raise_to_current(connection: duckdb.DuckDBPyConnection, metadata: str) -> None:
    """Note that this version writes the lake. Under the write lock, or before anybody else knows the lake."""
    if recorded(connection, metadata) < FORMAT:
        connection.execute(f"DELETE FROM {metadata}.ducklake_metadata WHERE key = '{_KEY}'")
        connection.execute(f"INSERT INTO {metadata}.ducklake_metadata (key, value) VALUES ('{_KEY}', '{FORMAT}')")


def lake_id(connection: duckdb.DuckDBPyConnection, metadata: str, settings: Settings) -> str:
    """The identity that DuckLake gave the lake when it was made. Raises LakeError when the catalog has none."""
    asked = f"SELECT schema_uuid::VARCHAR FROM {metadata}.ducklake_schema WHERE schema_id = 0"
    try:
        row = connection.execute(asked).fetchone()
    except duckdb.Error as error:
        raise damaged_catalog(settings.lake.resolve(), error) from None
    if row is None:
        raise damaged_catalog(settings.lake.resolve(), "its first schema is gone")
    return str(row[0])
