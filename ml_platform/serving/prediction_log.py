"""The prediction log: every answer is written to a segment file before it is given (S45).

A worker appends whole lines to a segment of its own and holds a lock on it. A full segment is sealed under another
name; one whose worker is gone is sealed by whoever moves segments to the lake.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ml_platform.errors import ServingError

OPEN, SEALED = ".open", ".jsonl"
_NEW = ".new"
SEGMENT_BYTES = 8_000_000
SEGMENT_SECONDS = 20.0
_RECOUNTED = 1.0  # seconds between looks at what the folder holds


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
        self._size, self._began = 0, 0.0
        self._backlog, self._counted = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write these records, all or none. Once this returns, a kill of the process loses none of them.

        Raises ServingError when the budget is used up or the disk is full.
        """
        data = b"".join(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n" for line in lines)
        if self.backlog + len(data) > self.budget:
            raise ServingError(
                f"The prediction log {self.folder} holds {self._backlog:,} bytes, and its budget is {self.budget:,}.",
                remedy="See why it is not moved to the lake, or raise ML_PLATFORM_LOG_BUDGET_BYTES.",
            )
        try:
            if self._file is None:
                self._open()
            assert self._file is not None  # opened above
            written = os.write(self._file, data)
            if written < len(data):  # the disk filled: take the torn line back
                os.ftruncate(self._file, self._size)
                raise OSError(28, "No space left on device")
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._size += len(data)
        self._backlog += len(data)
        if self._size >= self._segment_bytes:
            self.seal()

    def seal_old(self) -> None:
        """Seal the segment when it is old enough, so that what it holds reaches the lake."""
        if self._file is not None and time.monotonic() - self._began >= self._segment_seconds:
            self.seal()

    def seal(self) -> None:
        """Give the segment its final name. The next record begins another."""
        if self._file is not None:
            os.fsync(self._file)
            self._path.rename(self._path.with_suffix(SEALED))
            os.close(self._file)
            self._file = None

    @property
    def backlog(self) -> int:
        """Bytes in all segments of the folder, as of the last second."""
        if time.monotonic() - self._counted > _RECOUNTED:
            self._backlog, self._counted = size_of(self.folder), time.monotonic()
        return self._backlog

    def _open(self) -> None:
        # The name sorts by the time at which the segment began; it tells the segment from every other.
        self._path = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{OPEN}"
        unlocked = self._path.with_suffix(_NEW)  # who seals abandoned segments must not see it before it is locked
        self._file = os.open(unlocked, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlocked.rename(self._path)
        self._size, self._began = 0, time.monotonic()


def size_of(folder: Path) -> int:
    """Bytes in the segments of a folder."""
    size = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # moved meanwhile
            size += entry.stat().st_size
    return size


def seal_abandoned(folder: Path) -> None:
    """Seal the segments whose worker is gone: nobody holds their lock."""
    for path in sorted(folder.glob(f"*{OPEN}")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.rename(path.with_suffix(SEALED))


def sealed(folder: Path) -> list[Path]:
    """The sealed segments, oldest first."""
    return sorted(folder.glob(f"*{SEALED}"))


def records(segment: Path) -> Iterator[dict[str, Any]]:
    """The records of a sealed segment. A last line that a kill cut off was never acknowledged, and is left out."""
    with segment.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _unwritable(folder: Path, error: OSError) -> ServingError:
    return ServingError(
        f"The prediction log {folder} cannot be written: {error.strerror}.", remedy="Make room, or mend the folder."
    )
