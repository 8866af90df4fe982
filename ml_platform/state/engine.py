"""SQLAlchemy engines of the operational state: how SQLite and PostgreSQL connect, and how a transaction begins."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from ml_platform.errors import StateError
from ml_platform.private_files import make_database_private
from ml_platform.settings import Settings
from ml_platform.state.faults import raise_as_state_errors

SCHEMA = "ml_platform"  # in PostgreSQL
_FILE = "state.sqlite"
_BUSY_SECONDS = 60.0


def path(settings: Settings) -> Path:
    """The SQLite file of the operational state."""
    return settings.lake.resolve() / _FILE


def location(settings: Settings) -> str:
    """Where the operational state is, without secrets: the file, or the name of the PostgreSQL schema."""
    return f"PostgreSQL schema {SCHEMA}" if settings.catalog.get_secret_value() else str(path(settings))


def engine_of(settings: Settings, read_only: bool) -> Engine:
    """Open the engine of the settings' database; a SQLite file for writing is created.

    Every fault of the database is raised as a StateError. Raises StateError when there is no file to
    read, or when psycopg is needed and not installed.
    """
    secret = settings.catalog.get_secret_value()
    engine = _postgres(secret) if secret else _sqlite(path(settings), read_only)
    raise_as_state_errors(engine, location(settings))
    return engine


def _sqlite(file: Path, read_only: bool) -> Engine:
    if read_only and not file.exists():
        raise StateError(
            f"There is no operational state in {file.parent}.",
            remedy="Run a pipeline first: `ml-platform run PIPELINE`.",
        )
    if not read_only:
        file.parent.mkdir(parents=True, exist_ok=True)
    address = f"file:{quote(str(file))}?mode={'ro' if read_only else 'rwc'}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is said below
        connection.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # a promotion survives a power failure
            make_database_private(file)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("immediate") else "BEGIN")

    return engine


def _postgres(secret: str) -> Engine:
    try:
        import psycopg
    except ImportError:
        raise StateError(
            "A PostgreSQL catalog is set, and psycopg is not installed.", remedy="pip install 'ml_platform[postgres]'"
        ) from None

    def connect() -> Any:
        return psycopg.connect(secret)

    engine = create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True, max_overflow=-1)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}")
        if connection.info.get("immediate"):
            # One writer at a time, as with SQLite: "is it there already" is asked and answered under one lock.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('{SCHEMA} state'))")

    return engine
