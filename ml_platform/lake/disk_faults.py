"""Faults of what the lake needs, disk and memory, as errors that name the path or the setting, with the remedy."""

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from polars.exceptions import PolarsError

from ml_platform.disk_errors import is_failing, is_full, is_unwritable
from ml_platform.errors import LakeError, first_line

NOTHING = "Nothing was committed."
_OF_DISKS = (OSError, duckdb.Error, sqlite3.Error, PolarsError)
_NO_ROOM_TO_SPILL = "max_temp_directory_size"  # DuckDB's word for a disk on which queries have no room left
_MEMORY = "ML_PLATFORM_MEMORY_LIMIT"
_SPACE = "Free space (`ml-platform maintain` removes leftovers)"
_QUOTED = re.compile(r"[\"'](/[^\"']+)[\"']")


@contextmanager
def explained(path: Path, outcome: str = NOTHING) -> Iterator[None]:
    """Raise LakeError instead of what the disk under `path`, or want of memory, raised; others pass unchanged.

    outcome: a sentence that says what became of the work.
    """
    try:
        yield
    except (*_OF_DISKS, MemoryError) as error:
        fault = disk_fault(error, path, outcome)
        if fault is None:
            raise
        raise fault from error


@contextmanager
def exhaustion_explained(path: Path) -> Iterator[None]:
    """Raise LakeError for want of disk or memory, or a failing disk. For code that also reads where writing fails."""
    try:
        yield
    except (*_OF_DISKS, MemoryError) as error:
        fault = exhausted(error, path)
        if fault is None:
            raise
        raise fault from error


def disk_fault(error: BaseException, path: Path, outcome: str = NOTHING) -> LakeError | None:
    """The LakeError for a full, failing or unwritable disk or for want of memory; None for anything else."""
    fault = exhausted(error, path, outcome)
    if fault is None and isinstance(error, _OF_DISKS) and is_unwritable(error):
        return LakeError(
            f"{path} is not writable: {first_line(error)}.",
            remedy="Make it writable, or set ML_PLATFORM_DATA to a folder that is.",
        )
    return fault


def exhausted(error: BaseException, path: Path, outcome: str = NOTHING) -> LakeError | None:
    """The LakeError for a full or failing disk or for want of memory; None when the error is about something else.

    Args:
        error: What was raised.
        path: What is said to be full or failing where the error itself names no path.
        outcome: A sentence that says what became of the work.
    """
    if isinstance(error, MemoryError):
        return _out_of_memory("The machine has no memory left", "lower", outcome)
    if isinstance(error, duckdb.OutOfMemoryException) and _NO_ROOM_TO_SPILL not in str(error):
        return _out_of_memory(first_line(error).removeprefix("Out of Memory Error: "), "raise", outcome)
    if not isinstance(error, _OF_DISKS):
        return None
    if isinstance(error, duckdb.OutOfMemoryException) or is_full(error, _named(error) or path):
        return _full(error, path, outcome)
    if is_failing(error):
        return LakeError(
            f"The disk of {_named(error) or path} fails: {first_line(error)}.",
            remedy=f"{outcome} Check the disk, its quota and the system's log, and run again; "
            "`ml-platform doctor --deep` names files that are damaged.",
        )
    return None


def _out_of_memory(what: str, change: str, outcome: str) -> LakeError:
    return LakeError(
        f"Out of memory: {what}.",
        remedy=f"{outcome} {change.capitalize()} {_MEMORY} (DuckDB's share, for each process), set fewer "
        "ML_PLATFORM_THREADS, or use a machine with more memory; then run again.",
    )


def _full(error: BaseException, path: Path, outcome: str) -> LakeError:
    temporary, full = Path(tempfile.gettempdir()), _named(error) or path
    inside = full.is_relative_to(path.absolute())
    where = path if inside else full
    aside = where.is_relative_to(temporary) and (path == temporary or not inside)
    space = "Free space there, or set TMPDIR to a folder with more," if aside else _SPACE
    return LakeError(f"The disk of {where} is full: {first_line(error)}.", remedy=f"{outcome} {space} and run again.")


def _named(error: BaseException) -> Path | None:
    """The path that an error names, if it names one."""
    if isinstance(error, OSError):
        name = error.filename2 or error.filename
        return Path(name).absolute() if isinstance(name, str) else None
    quoted = _QUOTED.search(str(error))
    return Path(quoted.group(1)) if quoted else None
