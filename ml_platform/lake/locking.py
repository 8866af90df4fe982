"""The write lock: one writer at a time, over the threads of a process and over processes.

SQLite catalog: a file beside it, held with `filelock`. PostgreSQL catalog: an advisory lock in that
database, so that writers on several machines need no shared disk to exclude one another. DuckLake
would retry colliding commits there by itself; the lock is kept because numbers given once (S22) and
"is it there already" checks rely on nobody committing between the look and the write.
Either lock ends with the process that held it.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from ml_platform.errors import LakeError, PlatformError
from ml_platform.lake.disk_faults import explained

_ADVISORY_KEY = 0x6D6C5F70  # "ml_p"; one lake to a PostgreSQL database
_POLL = 0.01  # seconds; filelock's own 0.05 doubles the median wait of four writers


@dataclass
class _Turn:
    """What the threads of this process share for one lock."""

    mutex: threading.Lock = field(default_factory=threading.Lock)
    owner: int | None = None
    what: str = ""


_turns: dict[str, _Turn] = {}
_sessions = threading.local()  # .lock_cursors: the cursors by which this thread holds advisory locks
# A forked child owns none of its parent's locks and must not wait for threads that it does not have.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_turns.clear)


@contextmanager
def in_process_turn(name: str, what: str, timeout: float) -> Iterator[float]:
    """This thread's turn among the threads of the process; yields the seconds that remain.

    Raises LakeError at once when this thread has the turn already: waiting for itself would never end.
    """
    turn = _turns.setdefault(name, _Turn())
    if turn.owner == threading.get_ident():
        raise LakeError(
            f"Writing {what} inside the write of {turn.what} would deadlock.",
            remedy="Finish the outer write first, or use its transaction.",
        )
    deadline = time.monotonic() + timeout
    if not turn.mutex.acquire(timeout=timeout):
        raise LakeError(
            f"Another thread, writing {turn.what}, has held the write lock for {timeout:.0f} s.",
            remedy="Wait for it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
        )
    try:
        turn.owner, turn.what = threading.get_ident(), what
        yield max(0.0, deadline - time.monotonic())
    finally:
        turn.owner = None
        turn.mutex.release()


@contextmanager
def hold_lock_file(
    path: Path,
    timeout: float,
    busy: Callable[[], PlatformError],
    *,
    poll: float = 0.05,
    nested: bool = False,
    explaining: Callable[[Path], AbstractContextManager[object]] = explained,
) -> Iterator[None]:
    """Hold a lock file while the body runs.

    Args:
        path: The lock file. Its folder is made if it is missing.
        timeout: Seconds to wait for whoever has it.
        busy: Makes the error for when it is not free by then.
        poll: Seconds between two tries.
        nested: Whether a thread that has it may take it once more.
        explaining: Makes errors of what the folder's disk raises while the lock is taken. The body's errors pass.

    Raises:
        PlatformError: What `busy` makes, and LakeError for a folder in which no lock can be taken.
    """
    with explaining(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, is_singleton=nested)  # of one path there is one then
        try:
            lock.acquire(timeout=timeout, poll_interval=poll)
        except Timeout:
            raise busy() from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def file_lock(folder: Path, what: str, timeout: float) -> Iterator[None]:
    """Hold `<folder>/write.lock` against other processes and threads. Raises LakeError after `timeout` s."""
    path = folder / "write.lock"

    def busy() -> LakeError:
        return LakeError(
            f"Another process has held the write lock {path} for {timeout:.0f} s{_held_by(folder)}.",
            remedy="Wait for it, stop it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
        )

    with in_process_turn(str(path), what, timeout) as remaining, hold_lock_file(path, remaining, busy, poll=_POLL):
        _record_holder(folder, what)
        yield


@contextmanager
def removal_lock(folder: Path, what: str, timeout: float) -> Iterator[None]:
    """Hold `<folder>/removal.lock`: who has it may remove files, or relies on nobody's removing any.

    Maintenance and backups take it, before the write lock where they need both. Raises LakeError after `timeout` s.
    """
    path = folder / "removal.lock"

    def busy() -> LakeError:
        return LakeError(
            f"A backup, a restore or maintenance has been at work in {folder} for {timeout:.0f} s.",
            remedy="Wait for its end, or raise ML_PLATFORM_LOCK_TIMEOUT.",
        )

    with in_process_turn(str(path), what, timeout) as remaining, hold_lock_file(path, remaining, busy):
        yield


@contextmanager
def advisory_lock(
    root: duckdb.DuckDBPyConnection, database: str, name: str, what: str, timeout: float
) -> Iterator[None]:
    """Hold the advisory lock of an attached PostgreSQL `database`. Raises LakeError after `timeout` s.

    `name` tells that database from others within the process.

    A transaction of its own holds it, so a process that dies gives it back with its connection.
    """
    with in_process_turn(name, what, timeout) as remaining:
        cursor = root.cursor()
        cursor.execute("BEGIN")
        try:
            cursor.execute(f"CALL postgres_execute('{database}', 'SET LOCAL idle_in_transaction_session_timeout = 0')")
            wait = f"SET LOCAL lock_timeout = {max(1, int(remaining * 1000))}"
            cursor.execute(f"CALL postgres_execute('{database}', '{wait}')")
            try:
                asked = f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})::text"
                cursor.execute(f"FROM postgres_query('{database}', '{asked}')").fetchall()
            except duckdb.Error as error:
                if "lock timeout" not in str(error):
                    raise
                raise LakeError(
                    f"Another writer has held the lock of the PostgreSQL catalog for {timeout:.0f} s.",
                    remedy="Wait for it, or raise ML_PLATFORM_LOCK_TIMEOUT.",
                ) from None
            with _held_by_session(cursor, database):
                yield
        finally:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            cursor.close()


@contextmanager
def _held_by_session(cursor: duckdb.DuckDBPyConnection, database: str) -> Iterator[None]:
    lock_cursors = _sessions.__dict__.setdefault("lock_cursors", [])
    lock_cursors.append((cursor, database))
    try:
        yield
    finally:
        lock_cursors.pop()


def check_still_held() -> None:
    """Raise LakeError when the session that holds this thread's advisory lock has ended: others may write by now.

    Before a commit; 1 ms. A file lock ends with its process only, so there is nothing to ask.
    """
    for cursor, database in getattr(_sessions, "lock_cursors", []):
        try:
            cursor.execute(f"FROM postgres_query('{database}', 'SELECT 1 AS held')").fetchall()
        except duckdb.Error:
            raise LakeError(
                "The PostgreSQL catalog ended the session that held the write lock, so nothing was committed.",
                remedy="Run again: finished work is kept.",
            ) from None


def holder(folder: Path) -> dict[str, str]:
    """The process that took the file lock last: pid, host, what, since. Empty without one."""
    try:
        recorded = json.loads((folder / "write.holder").read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in recorded.items()}


def _record_holder(folder: Path, what: str) -> None:
    # Beside the lock file, not in it: whoever tries for the lock empties it.
    holding = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "what": what,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):
        (folder / "write.holder").write_text(json.dumps(holding))


def _held_by(folder: Path) -> str:
    holding = holder(folder)
    return (
        f": {holding['what']}, process {holding['pid']} on {holding['host']}, since {holding['since']}"
        if holding
        else ""
    )
