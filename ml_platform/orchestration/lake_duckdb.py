"""A dagster-duckdb resource with the lake attached read-only, for your own assets."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, field_validator

from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted
from ml_platform.settings import Settings
from ml_platform.state.attached import attach

_MEMORY = ":memory:"


class LakeDuckDB(DuckDBResource):
    """A DuckDB connection that reads the lake as `lake`: `lake.validated.flights`, `lake.flight_delay.predictions`.

    The settings of the platform (ML_PLATFORM_DATA, ML_PLATFORM_CATALOG, …) say where the lake is and how much memory
    and how many threads a connection takes. Each connection is a DuckDB instance of its own, so several assets may
    read at the same time, and while a run writes. The lake is the default catalog, the operational
    state is `state`, and the time zone is UTC.

    `database` must stay ":memory:": temporary tables live there. `connection_config` holds DuckDB options that take
    precedence over the settings, such as `{"threads": 4}`.

    >>> @dg.asset(deps=[["validated", "flights"]])
    ... def flights_by_origin(lake: LakeDuckDB) -> dg.MaterializeResult:
    ...     with lake.get_connection() as connection:
    ...         counts = connection.sql("SELECT origin, count(*) FROM lake.validated.flights GROUP BY origin").pl()
    ...     return dg.MaterializeResult(metadata={"origins": len(counts)})
    """

    database: str = Field(default=_MEMORY, description="Must stay :memory:. The lake is attached beside it.")

    @field_validator("database")
    @classmethod
    def _in_memory(cls, database: str) -> str:
        if database != _MEMORY:
            raise ValueError(
                f"LakeDuckDB(database={database!r}): must be {_MEMORY!r}. The settings name the lake; "
                "use a DuckDBResource for a database file, or ATTACH it to the connection."
            )
        return database

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for the length of the context; it is closed when the body raises, too.

        Raises LakeError when there is no lake yet, or when it cannot be opened.
        """
        # DuckDBResource.get_connection opens a database file for writing, loads no extension, and does not close
        # the connection when the body raises. So the connection comes from `Lake`.
        with Lake(Settings(), read_only=True) as lake:
            connection = lake.connection
            attach(lake)
            for option, setting in self.connection_config.items():
                connection.execute(f"SET {quoted(option)} = {literal(str(setting))}")
            yield connection
