"""Faults of the disk of DAGSTER_HOME, as errors that name the variable. Dagster raises what its databases raise."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.disk_errors import has_no_room, is_failing, is_full, is_unwritable
from ml_platform.errors import PlatformError, causes, first_line


class DagsterHomeFault(PlatformError):
    """Dagster's own instance cannot be written or read. Lake and operational state are not affected."""


@contextmanager
def home_faults_explained() -> Iterator[None]:
    """Raise DagsterHomeFault instead of what the disk of DAGSTER_HOME raised; other errors pass unchanged."""
    try:
        yield
    except PlatformError:
        raise
    except Exception as error:  # of Dagster, of its database library or of the system: the cause tells
        fault = next(filter(None, map(_fault, causes(error))), None)
        if fault is None:
            raise
        raise fault from error


def _fault(error: BaseException) -> DagsterHomeFault | None:
    home = Path(os.environ.get("DAGSTER_HOME", ""))
    full, unwritable = is_full(error, home), is_unwritable(error)
    if isinstance(error, OSError):
        named = isinstance(error.filename, str) and Path(error.filename).is_relative_to(home)
        full = full and (named or (error.filename is None and has_no_room(home)))
        unwritable, failing = unwritable and named, is_failing(error) and named
    elif isinstance(error, sqlite3.Error):  # of the state it would be a StateError by now
        full, failing = full or (unwritable and has_no_room(home)), is_failing(error)
    else:
        return None
    if full:
        return DagsterHomeFault(
            f"The disk of DAGSTER_HOME ({home}) is full: {first_line(error)}.",
            remedy="Free space there (`ml-platform maintain` removes old history), or set DAGSTER_HOME to a folder "
            "with more; then run again: finished assets are kept.",
        )
    if unwritable:
        return DagsterHomeFault(
            f"DAGSTER_HOME ({home}) is not writable: {first_line(error)}.",
            remedy="Make it writable, or set DAGSTER_HOME to a folder that is.",
        )
    if failing:
        return DagsterHomeFault(
            f"The disk of DAGSTER_HOME ({home}) fails: {first_line(error)}.",
            remedy="Check the disk, its quota and the system's log, or set DAGSTER_HOME to a folder on another disk.",
        )
    return None
