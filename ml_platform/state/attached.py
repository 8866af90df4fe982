"""Attaches the operational state to the lake's connections, read-only: `FROM state.records`."""

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake.connection import Lake, without_secret
from ml_platform.naming import literal
from ml_platform.state import database

NAME = "state"


def attach(lake: Lake) -> None:
    """Attach the state's database to the lake's connections as `state`. Does nothing if there is none yet."""
    secret = lake.settings.catalog.get_secret_value()
    if secret:
        target, options = secret, f"TYPE postgres, READ_ONLY, SCHEMA {literal(database.SCHEMA)}"
    else:
        file = database.path(lake.settings)
        if not file.exists():
            return
        target, options = str(file), "TYPE sqlite, READ_ONLY"
    try:
        lake.connection.execute(f"ATTACH IF NOT EXISTS {literal(target)} AS {NAME} ({options})")
    except duckdb.Error as error:
        raise LakeError(
            f"The operational state cannot be attached: {without_secret(str(error), secret)}",
            remedy="See `ml-platform doctor`.",
        ) from None  # the cause may hold the address of the database
