"""The prediction log: every answer is written to a segment file before it is given (S45).

A worker appends whole lines to a segment of its own and holds a lock on it. A full segment is sealed under another
name; one whose worker is gone is sealed by whoever moves segments to the lake.
"""

import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ml_platform.errors import ServingError
from ml_platform.serving import column_segments

OPEN, SEALED, DAMAGED = ".open", ".jsonl", ".damaged"
_NEW = ".new"
_AS_TEXT = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
SEGMENT_BYTES = 8_000_000
SEGMENT_SECONDS = 20.0
_RECOUNT_SECONDS = 1.0  # between looks at what the folder holds
_NEW_SECONDS = 60.0  # age from which on a segment that never got its first name is nobody's; it takes microseconds


class PredictionLog:
    """One worker's end of the log of one pipeline. Not safe for threads.

    Args:
        folder: Where the segments are.
        budget: Bytes that all segments of the folder may take; beyond it `append` refuses.
        segment_bytes: Size from which on a segment is sealed.
        segment_seconds: Age from which on it is.

    Raises:
        ServingError: When the folder cannot be written.
    """

    def __init__(
        self, folder: Path, *, budget: int, segment_bytes: int = SEGMENT_BYTES, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        self.folder, self.budget = folder, budget
        self._segment_bytes, self._segment_seconds = segment_bytes, segment_seconds
        self._file: int | None = None
        self._path = folder
        self._size, self._opened_at = 0, 0.0
        self._has_torn_line = False
        self._seal_error: ServingError | None = None
        self._counted, self._counted_at = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write these records, all or none. Once this returns, a kill of the process loses none of them.

        A segment that cannot be sealed is no error here, because the records are safe: the next record seals it, or
        `seal_old`, which raises the error.

        Raises ServingError when the budget is used up, the disk is full or the folder cannot be written.
        """
        data = b"".join(_AS_TEXT(line).encode() + b"\n" for line in lines)
        if time.monotonic() - self._counted_at > _RECOUNT_SECONDS:
            self._counted, self._counted_at = self.backlog, time.monotonic()
        self._check_budget(self._counted, len(data))
        try:
            self._write(data)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._counted += len(data)
        if self._size >= self._segment_bytes:
            try:
                self.seal()
            except ServingError as error:
                self._seal_error = error

    def append_columns(self, data: bytes) -> None:
        """Write a segment of columns (`column_segments.packed`). Threads may do so beside `append`.

        Raises ServingError as `append` does.
        """
        self._check_budget(self.backlog, len(data))
        try:
            column_segments.write(self.folder, data, _NEW)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def _check_budget(self, size: int, more: int) -> None:
        if size + more > self.budget:
            raise ServingError(
                f"The prediction log {self.folder} holds {size:,} bytes, and its budget is {self.budget:,}.",
                remedy="See why it is not moved to the lake, or raise ML_PLATFORM_LOG_BUDGET_BYTES.",
            )

    def seal_old(self) -> None:
        """Seal the segment when it is old or large enough, so that what it holds reaches the lake.

        Raises ServingError when that fails, or failed at a record since the last call.
        """
        failed, self._seal_error = self._seal_error, None
        if self._file is not None:
            is_old = time.monotonic() - self._opened_at >= self._segment_seconds
            if is_old or self._size >= self._segment_bytes:
                self.seal()
                return
        if failed is not None:
            raise failed

    def seal(self) -> None:
        """Give the segment its final name. The next record begins another.

        Raises ServingError when the disk refuses; the segment stays open then. One that is gone is given up.
        """
        if self._file is None:
            return
        try:
            self._take_back()
            os.fsync(self._file)
            self._path.rename(self._path.with_suffix(SEALED))
        except FileNotFoundError as error:
            self._close()
            raise ServingError(
                f"The log segment {self._path} is gone, and the predictions in it are lost.",
                remedy="Let nothing but the service change that folder.",
            ) from error
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._close()

    @property
    def backlog(self) -> int:
        """Bytes in all segments of the folder now, damaged ones included. Other threads may ask.

        Raises ServingError when the folder cannot be read.
        """
        try:
            return size_of(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._open()
        assert self._file is not None  # opened above
        self._take_back()
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(errno.ENOSPC, "a record was written in part")
        except OSError:
            self._has_torn_line = True
            with suppress(OSError):  # the next record, or the sealing, tries again before anything else
                self._take_back()
            raise
        self._size += len(data)

    def _take_back(self) -> None:
        """Cut off what a failed write left after the last whole record."""
        if self._has_torn_line:
            assert self._file is not None  # it is the open segment that has one
            os.ftruncate(self._file, self._size)
            self._has_torn_line = False

    def _open(self) -> None:
        # The name sorts by the time at which the segment was opened; it tells the segment from every other.
        path = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{OPEN}"
        unlocked = path.with_suffix(_NEW)  # who seals abandoned segments must not see it before it is locked
        file = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unlocked.rename(path)
        except OSError:
            os.close(file)
            with suppress(OSError):  # `seal_abandoned` removes it then
                unlocked.unlink()
            raise
        self._file, self._path, self._size, self._opened_at = file, path, 0, time.monotonic()

    def _close(self) -> None:
        file, self._file, self._has_torn_line = self._file, None, False
        assert file is not None  # only an open segment is closed
        with suppress(OSError):  # it was synchronised, or is gone
            os.close(file)


def size_of(folder: Path) -> int:
    """Bytes in the segments of a folder."""
    size = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # moved meanwhile
            size += entry.stat().st_size
    return size


def seal_abandoned(folder: Path) -> None:
    """Seal the segments whose worker is gone: nobody holds their lock. Those that never had a record are removed."""
    for path in sorted(folder.glob(f"*{OPEN}")):
        if _is_unlocked(path):
            with suppress(FileNotFoundError):  # its worker sealed it meanwhile
                path.rename(path.with_suffix(SEALED))
    for path in folder.glob(f"*{_NEW}"):
        with suppress(FileNotFoundError):  # it has its name meanwhile
            if time.time() - path.stat().st_mtime > _NEW_SECONDS and _is_unlocked(path):
                path.unlink()


def _is_unlocked(path: Path) -> bool:
    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def sealed_segments(folder: Path) -> list[Path]:
    """The sealed segments, oldest first: of lines of JSON, and of columns."""
    return sorted([*folder.glob(f"*{SEALED}"), *folder.glob(f"*{column_segments.COLUMNS}")])


def whole_lines(segment: Path) -> bytes:
    """The records of a sealed segment as lines of JSON.

    A last line that a kill cut off was never acknowledged, and is left out.
    """
    content = segment.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def _unwritable(folder: Path, error: OSError) -> ServingError:
    return ServingError(
        f"The prediction log {folder} cannot be written: {error.strerror or error}.",
        remedy="Make room, or mend the folder.",
    )
