"""Health checks of the databases themselves: whether catalog and state are there, whole, and of one moment."""

from collections.abc import Iterator

import duckdb

from ml_platform.errors import PlatformError, first_line
from ml_platform.lake import sqlite_copies
from ml_platform.lake.connection import Lake
from ml_platform.lake.lost_catalog import (
    RESTORE,
    catalog_file,
    is_missing,
    refuse_to_replace,
    refuse_unfinished_restore,
)
from ml_platform.settings import Settings
from ml_platform.state.database import State
from ml_platform.state.engine import path as state_file
from ml_platform.state.lake_marks import refuse_mismatch
from ml_platform.state.lost_stores import refuse_lost_catalog
from ml_platform.views.health_finding import Finding


def catalog_findings(settings: Settings) -> Iterator[Finding]:
    """A catalog that is missing where files or records of its lake are, or a restore that is not finished."""
    try:
        refuse_unfinished_restore(settings)
        if not settings.catalog.get_secret_value() and is_missing(catalog_file(settings)):
            refuse_to_replace(settings)
            refuse_lost_catalog(settings)
    except PlatformError as error:
        yield Finding("lake", "bad", error.what, error.remedy)


def damaged_pages(settings: Settings, *, with_state: bool = True) -> Iterator[Finding]:
    """What SQLite's check says of the catalog and, where it opened, of the state: its own error names file and damage.

    PostgreSQL checks its own pages.
    """
    if settings.catalog.get_secret_value():
        return
    for name, file in (("catalog", catalog_file(settings)), ("state", state_file(settings))):
        if (name == "catalog" or with_state) and not is_missing(file) and (problem := sqlite_copies.problem(file)):
            yield Finding(name, "bad", f"{file} is damaged: {problem}", RESTORE)


def mismatch(lake: Lake, state: State) -> Iterator[Finding]:
    """Lake and state that are not of one lake and one moment."""
    try:
        refuse_mismatch(state, lake)
    except PlatformError as error:
        yield Finding("lake and state", "bad", error.what, error.remedy)
    except duckdb.Error as error:
        yield Finding("catalog", "bad", f"it cannot be read: {first_line(error)}", RESTORE)
