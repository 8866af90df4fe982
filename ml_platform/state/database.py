"""The database of the operational state: opened once per process, and migrated when it is older than the code.

SQLite: `state.sqlite` beside the lake's catalog. PostgreSQL: the schema `ml_platform` in the
catalog's database. A read costs 0.1 to 0.3 ms and a committed write about 1 ms.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Row, text

from ml_platform.errors import StateError
from ml_platform.lake.lost_catalog import (
    catalog_file,
    holds_tables,
    is_missing,
    missing_state,
    refuse_unfinished_restore,
)
from ml_platform.settings import Settings
from ml_platform.state.clock import TOLERANCE, Stamps, newest_stamp
from ml_platform.state.engine import SCHEMA, engine_of, location, path
from ml_platform.state.schema import REVISION

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]


class State:
    """The operational state. It may be shared by threads; a forked child opens its own.

    `beside_lake`: a missing state may be made though there is a lake, because no run has written to that lake yet.
    Raises StateError when the database cannot be opened, was made by newer code, or is missing where a lake is, and
    LakeError while a restore is not finished.
    """

    def __init__(self, settings: Settings, *, read_only: bool = False, beside_lake: bool = False) -> None:
        self.settings = settings
        self._beside_lake = beside_lake
        self.read_only = read_only
        self._local = threading.local()
        refuse_unfinished_restore(settings)
        if not settings.catalog.get_secret_value() and is_missing(path(settings)):
            self._refuse_to_replace()  # before the file is made
        self._engine = engine_of(settings, read_only)
        with ExitStack() as opened:
            opened.callback(self._engine.dispose)
            try:
                revision = _revision(self._engine)
                if revision != REVISION:
                    self._migrate(revision)
            except StateError as error:
                raise error from None  # the cause may hold the address of the database
            opened.pop_all()  # nothing failed: `close` disposes of it

    @property
    def location(self) -> str:
        """Where the database is, without secrets: the file, or the name of the PostgreSQL schema."""
        return location(self.settings)

    def rows(self, statement: Executable) -> Sequence[AnyRow]:
        """All rows of a query. Inside `reading()` all queries of this thread see one moment."""
        with self.connection() as connection:
            return connection.execute(statement).all()

    def first(self, statement: Executable) -> AnyRow | None:
        """The first row of a query, or None."""
        with self.connection() as connection:
            return connection.execute(statement).first()

    def value(self, statement: Executable) -> Any:
        """The first column of the first row, or None when there is no row."""
        row = self.first(statement)
        return None if row is None else row[0]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for reading: that of `reading()`, of `writing()`, or one of its own."""
        current: Connection | None = getattr(self._local, "connection", None)
        if current is not None:
            yield current
            return
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reads of this thread see one moment, and `once` caches. Nested contexts share the outer one."""
        if getattr(self._local, "remembered", None) is not None or getattr(self._local, "connection", None) is not None:
            yield
            return
        with self._engine.connect() as connection:
            if connection.dialect.name != "sqlite":  # where BEGIN alone holds one moment
                connection.execution_options(isolation_level="REPEATABLE READ")
            self._local.connection, self._local.remembered = connection, {}
            try:
                yield
            finally:
                self._local.connection = self._local.remembered = None

    @property
    def is_reading(self) -> bool:
        """Whether this thread is inside `reading()`."""
        return getattr(self._local, "remembered", None) is not None

    def remembers(self, name: str) -> bool:
        """Whether `once` computed the result of that name inside this `reading()`."""
        return name in (getattr(self._local, "remembered", None) or ())

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute`; inside `reading()` it is computed once per name."""
        remembered: dict[str, Any] | None = getattr(self._local, "remembered", None)
        if remembered is None:
            return compute()
        if name not in remembered:
            remembered[name] = compute()
        value: T = remembered[name]
        return value

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end and rolled back when the body raises. Writers take turns.

        Nested contexts share one transaction. Raises StateError for a database that was opened
        read-only, inside `reading()`, and when the database refuses the rows.
        """
        if self.read_only:
            raise StateError("The operational state was opened read-only.", remedy="Open it for writing.")
        if getattr(self._local, "remembered", None) is not None:
            raise StateError(
                "Nothing can be written while this thread reads inside `reading()`.", remedy="Leave `reading()` first."
            )
        current: Connection | None = getattr(self._local, "connection", None)
        if current is not None:
            yield current
            return
        with self._engine.connect() as connection:
            connection.info["immediate"] = True
            try:
                with connection.begin():
                    self._local.connection = connection
                    yield connection
                    stamps: Stamps | None = getattr(self._local, "stamps", None)
                    if stamps is not None:
                        stamps.save()
            finally:
                self._local.connection = self._local.stamps = None
                connection.info.pop("immediate", None)

    def stamp(self, *, after: datetime | None = None) -> datetime:
        """The time of what this thread writes: later than every stamp before it, and than `after`.

        Inside `writing()` it is kept with what is written there. It is now, unless the machine's clock was set back
        (`state.clock`).
        """
        with self.writing() as connection:
            stamps: Stamps | None = getattr(self._local, "stamps", None)
            if stamps is None:  # one for each transaction, saved at its end
                stamps = self._local.stamps = Stamps(connection)
            return stamps.following(after)

    def clock_behind(self, now: datetime | None = None) -> timedelta:
        """How far the machine's clock is behind the newest stamp; zero where it is not, or by a few seconds."""
        with self.connection() as connection:
            newest = newest_stamp(connection)
        behind = (newest or datetime.min.replace(tzinfo=UTC)) - (now or datetime.now(UTC))
        return behind if behind > TOLERANCE else timedelta()

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _refuse_to_replace(self) -> None:
        """Raise StateError where a state that is missing must have been."""
        if not self._beside_lake and lake_exists(self.settings) and holds_tables(self.settings):
            raise missing_state(self.location, self.settings.lake.resolve())

    def _migrate(self, revision: str | None) -> None:
        if revision is not None and revision > REVISION:
            raise StateError(
                f"The operational state ({self.location}) has revision {revision}; "
                f"this version knows up to {REVISION}.",
                remedy="Use the version of ml_platform that created it, or a newer one.",
            )
        if self.read_only:
            raise StateError(
                f"The operational state ({self.location}) is of revision {revision or 'none'} "
                f"and {REVISION} is needed.",
                remedy="Open it once for writing: `ml-platform run PIPELINE` or `ml-platform maintain` migrates it.",
            )
        if revision is None:
            self._refuse_to_replace()
        from ml_platform.state.migrate import upgrade

        with self._engine.connect() as connection:
            connection.info["immediate"] = True
            try:
                with connection.begin():  # who comes second waits here, and finds it done
                    upgrade(connection)
            finally:
                connection.info.pop("immediate", None)


def exists(settings: Settings) -> bool:
    """Whether the operational state was made already. Raises StateError when PostgreSQL does not answer."""
    if not settings.catalog.get_secret_value() and not path(settings).exists():
        return False
    return _asked(settings, _revision) is not None


def is_current(settings: Settings) -> bool:
    """Whether the operational state was made, and is of this code's revision or newer.

    Raises StateError when the database cannot be read.
    """
    if not exists(settings):
        return False
    revision = _asked(settings, _revision)
    return revision is not None and revision >= REVISION


def lake_exists(settings: Settings) -> bool:
    """Whether there is a catalog. Raises StateError when PostgreSQL does not answer."""
    if not settings.catalog.get_secret_value():
        return not is_missing(catalog_file(settings))
    return bool(_asked(settings, _has_catalog))


def lake_moment(settings: Settings) -> tuple[str, int]:
    """The identity and the newest snapshot of the lake whose catalog is in PostgreSQL.

    Raises StateError when there is none, or PostgreSQL does not answer.
    """
    return _asked(settings, _moment)


def _moment(engine: Engine) -> tuple[str, int]:
    with engine.connect() as connection:
        lake = connection.execute(text("SELECT schema_uuid FROM public.ducklake_schema WHERE schema_id = 0"))
        snapshot = connection.execute(text("SELECT max(snapshot_id) FROM public.ducklake_snapshot"))
        return str(lake.scalar_one()), int(snapshot.scalar_one())


def _has_catalog(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.execute(text("SELECT to_regclass('public.ducklake_snapshot')")).scalar() is not None


def _asked(settings: Settings, question: Callable[[Engine], T]) -> T:
    engine = engine_of(settings, read_only=True)
    try:
        return question(engine)
    except StateError as error:
        raise error from None  # the cause may hold the address of the database
    finally:
        engine.dispose()


def _revision(engine: Engine) -> str | None:
    """The revision of the database; None when it has no tables."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            there = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        else:
            there = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename = 'alembic_version'"
        if not connection.execute(text(there)).scalar_one():
            return None
        revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return revision
