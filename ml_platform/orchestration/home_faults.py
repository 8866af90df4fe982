"""Faults of the disk of DAGSTER_HOME, as errors that name the variable. Dagster raises what its databases raise."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.errors import PlatformError, first_line

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_WORDS = ("disk is full", "disk i/o error", "no space left", "disk quota")
_UNWRITABLE_WORDS = ("readonly database", "unable to open database", "permission denied", "read-only file system")
_LITTLE = 65_536  # bytes: no database gets on with less


class DagsterHomeFault(PlatformError):
    """Dagster's own instance cannot be written or read. Lake and operational state are not affected."""


@contextmanager
def home_faults_explained() -> Iterator[None]:
    """Raise DagsterHomeFault instead of what a full or unwritable DAGSTER_HOME raised; other errors pass unchanged."""
    try:
        yield
    except PlatformError:
        raise
    except Exception as error:  # of Dagster, of its database library or of the system: the cause tells
        fault = next(filter(None, map(_fault, _causes(error))), None)
        if fault is None:
            raise
        raise fault from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, without going round in a circle."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "orig", None), one.__cause__, one.__context__]


def _fault(error: BaseException) -> DagsterHomeFault | None:
    home = Path(os.environ.get("DAGSTER_HOME", ""))
    said = str(error).lower()
    if isinstance(error, OSError):
        named = isinstance(error.filename, str) and Path(error.filename).is_relative_to(home)
        full = error.errno in _FULL and (named or (error.filename is None and _is_full(home)))
        unwritable = named and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    elif isinstance(error, sqlite3.Error):  # of the state it would be a StateError by now
        full, unwritable = any(w in said for w in _FULL_WORDS), any(w in said for w in _UNWRITABLE_WORDS)
        full = full or (unwritable and _is_full(home))
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
    return None


def _is_full(home: Path) -> bool:
    try:
        return shutil.disk_usage(home).free < _LITTLE
    except OSError:
        return False
