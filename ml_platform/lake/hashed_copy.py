"""Copies of files to the disk, with the hash of what was read; a file that cannot be read is named."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.errors import BackupError, first_line

_CHUNK = 1 << 20  # bytes


def copy_hashed(source: Path, target: Path, mode: int = 0o666, *, most: int | None = None) -> tuple[str, int]:
    """Copy a file to the disk; the hash and number of the bytes that were read.

    `mode`: of a new target. `most`: the bytes after which it stops, which gives another hash than the whole has.

    Raises BackupError when the source cannot be read, and OSError when the target cannot be written.
    """
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
        for chunk in _chunks(source):
            digest.update(chunk)
            size += len(chunk)
            stream.write(chunk)
            if most is not None and size > most:
                break
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest(), size


def _chunks(source: Path) -> Iterator[bytes]:
    with reading(source), source.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise BackupError instead of OSError, with the file that was read; one that is missing passes unchanged."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BackupError(
            f"{path} cannot be read: {error.strerror or first_line(error)}.",
            remedy="Run as a user who may read it; where the disk fails, use a copy of the folder.",
        ) from error
