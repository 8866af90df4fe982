"""Faults of the disk below the lake, as errors with path and remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ml_platform.errors import LakeError, first_line

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
# DuckDB and SQLite say it in words only.
_FULL_WORDS = ("no space left", "disk is full", "disk quota", "file too large", "disk i/o error")
_UNWRITABLE_WORDS = ("permission denied", "read-only file system", "readonly database", "not a directory")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise LakeError instead of what the disk under `path` raised; other errors pass unchanged."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        fault = disk_fault(error, path)
        if fault is None:
            raise
        raise fault from error


def disk_fault(error: BaseException, path: Path) -> LakeError | None:
    """The LakeError for a full or unwritable disk; None when the error is about something else."""
    if isinstance(error, OSError):
        full, unwritable = error.errno in _FULL, error.errno in _UNWRITABLE
    elif isinstance(error, duckdb.Error):
        words = str(error).lower()
        full = any(word in words for word in _FULL_WORDS)
        unwritable = any(word in words for word in _UNWRITABLE_WORDS)
    else:
        return None
    if full:
        return LakeError(
            f"The disk of {path} is full: {first_line(error)}.",
            remedy="Nothing was committed. Free space (`ml-platform maintain` removes leftovers) and run again.",
        )
    if unwritable:
        return LakeError(
            f"{path} is not writable: {first_line(error)}.",
            remedy="Make it writable, or set ML_PLATFORM_DATA to a folder that is.",
        )
    return None
