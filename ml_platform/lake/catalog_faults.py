"""What DuckLake and SQLite say of a catalog that does not open, as errors with what to restore or to install."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake.lost_catalog import RESTORE, catalog_file, damaged_catalog, refuse_to_replace
from ml_platform.settings import Settings

_VERSIONS = re.compile(r"catalog version is (\S+?), but the extension requires version (\S+?)\.\s")
# What DuckLake and SQLite say of a catalog that lost its tables, its rows or its bytes.
_GONE = "explicitly disabled"  # "… does not exist - and creating a new DuckLake is explicitly disabled"
_DAMAGED = re.compile(
    rf"{_GONE}|no snapshot found|malformed|not a database|no such table|ducklake_\w+ does not exist|failed to query",
    re.IGNORECASE,
)
_DAMAGED_PAGE = re.compile(r"database disk image is malformed|file is not a database", re.IGNORECASE)
_UNREACHABLE = re.compile(r"unable to connect to postgres", re.IGNORECASE)
CHECK_SERVER = (
    "Check that the PostgreSQL server runs, and that ML_PLATFORM_CATALOG names the right host, port, database, user "
    "and password."
)

# What libpq and the server say when a session ends or the server is gone.
_LOST_CONNECTION = (
    "server closed the connection",
    "terminating connection",
    "connection refused",
    "connection reset",
    "connection timed out",
    "could not connect to server",
    "connection to server",
    "no connection to the server",
    "the connection is lost",
    "database system is",  # starting up, shutting down, in recovery
)


def is_lost_connection(error: BaseException) -> bool:
    """Whether an error says that the session with PostgreSQL ended or the server cannot be reached.

    >>> is_lost_connection(OSError("server closed the connection")), is_lost_connection(ValueError("no row"))
    (True, False)
    """
    message = str(error).lower()
    return any(words in message for words in _LOST_CONNECTION)


def cannot_open(error: duckdb.Error, settings: Settings, message: str) -> LakeError:
    """The error for a catalog that could not be attached. `message` is DuckDB's, without secrets.

    Raises LakeError where PostgreSQL has no catalog and files of a lake are there.
    """
    folder = settings.lake.resolve()
    if settings.catalog.get_secret_value() and _GONE in str(error):
        refuse_to_replace(settings)
        return LakeError(
            "There is no lake in the PostgreSQL database yet.",
            remedy="Run a pipeline first: `ml-platform run PIPELINE`.",
        )
    if settings.catalog.get_secret_value() and _UNREACHABLE.search(str(error)):
        return LakeError(f"The lake in {folder} cannot be opened: {message}.", remedy=CHECK_SERVER)
    versions = _VERSIONS.search(str(error))
    if versions:
        there, here = versions.groups()
        newer = _numbers(there) > _numbers(here)
        return LakeError(
            f"The catalog of the lake in {folder} has DuckLake's version {there}; this installation reads {here}.",
            remedy="Use the version of ml_platform that wrote it, or a newer one."
            if newer
            else "Nothing is migrated by accident: attach it once with DuckLake's AUTOMATIC_MIGRATION, after a backup.",
        )
    damaged = _DAMAGED.search(str(error))
    return LakeError(
        f"The lake in {folder} cannot be opened: {message}.",
        remedy=f"The catalog is damaged. {RESTORE} The data files are not affected."
        if damaged
        else "See `ml-platform doctor`.",
    )


@contextmanager
def damage_named(settings: Settings) -> Iterator[None]:
    """Raise LakeError, with what to restore, where DuckDB finds the catalog damaged. Other errors pass unchanged."""
    try:
        yield
    except duckdb.Error as error:
        if _DAMAGED.search(str(error)):
            raise damaged_catalog(settings.lake.resolve(), error) from None
        raise


@contextmanager
def page_damage_named(settings: Settings) -> Iterator[None]:
    """Raise LakeError, with the file and what to restore, where a page of the SQLite catalog is damaged.

    For queries of any kind: an opened catalog may have damaged pages that only some of them read.
    """
    try:
        yield
    except duckdb.Error as error:
        if (damage := page_damage(error, settings)) is not None:
            raise damage from None
        raise


def page_damage(error: duckdb.Error, settings: Settings) -> LakeError | None:
    """The LakeError for a damaged page of the SQLite catalog; None when the error is about something else."""
    said = _DAMAGED_PAGE.search(str(error))  # the first line may only say that a commit failed
    if said is None or settings.catalog.get_secret_value():
        return None
    return LakeError(f"{catalog_file(settings)} is damaged: {said.group()}.", remedy=RESTORE)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
