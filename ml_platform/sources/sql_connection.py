"""Connections to databases that rows are read from: named by environment variables, and used for reading only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.errors import SourceUnavailable, first_line
from ml_platform.redaction import hide_database_address

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_CONNECT_SECONDS = 10


@contextmanager
def connected(name: str, source: str) -> Iterator["Connection"]:
    """A connection to the database whose SQLAlchemy URL the environment variable `name` holds. It sees one moment.

    `source` is what messages call the reader; none of them tells the URL. Raises SourceUnavailable for a
    database that does not answer or refuses a query.
    """
    from sqlalchemy.exc import DBAPIError

    engine = _engine(name, source)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            else:
                connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
            yield connection
    except DBAPIError as error:
        raise SourceUnavailable(
            source,
            f"the database does not answer: {first_line(error.orig or error)}",
            remedy="Nothing was lost: the next run tries again.",
        ) from None
    finally:
        engine.dispose()


def _engine(name: str, source: str) -> "Engine":
    from sqlalchemy import NullPool, create_engine, make_url
    from sqlalchemy.exc import ArgumentError

    address = os.environ.get(name, "")
    if not address:
        raise SourceUnavailable(
            source,
            f"the environment variable {name} is not set",
            remedy="Set it to the SQLAlchemy URL of the database.",
        )
    hide_database_address(address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise SourceUnavailable(
            source,
            f"{name} is no SQLAlchemy URL",
            remedy="Write sqlite:///file.db or postgresql://user:password@host/name.",
        ) from None
    if "@" in (url.host or ""):  # the driver would quote the host, which holds a piece of the password
        raise SourceUnavailable(
            source, f"the user or password in {name} holds an @ that is not encoded", remedy="Write it as %40."
        )
    kind = url.get_backend_name()
    options: dict[str, Any] = {"timeout": _CONNECT_SECONDS}
    if kind == "postgresql":
        options = {"connect_timeout": _CONNECT_SECONDS, "options": "-c timezone=UTC"}
    elif kind != "sqlite":
        raise SourceUnavailable(source, f"{name} names a {kind} database", remedy="SQLite and PostgreSQL are read.")
    elif not Path(url.database or "").is_file():  # SQLite would make it
        raise SourceUnavailable(source, f"{name} names a SQLite file that is not there", remedy="Check its path.")
    try:
        return create_engine(url, poolclass=NullPool, connect_args=options)
    except ModuleNotFoundError as error:
        raise SourceUnavailable(
            source, f"the driver {error.name} is not installed", remedy="Install ml_platform[postgres]."
        ) from None
