"""A zip whose bytes depend on its members alone: fixed times, order and permissions, and no compression."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

from ml_platform.lake import durable
from ml_platform.lake.blobs import file_hash

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment
_LARGE = 1 << 31  # bytes, from which on a member has the fields of zip64


def write(path: Path, members: Mapping[str, bytes | Path]) -> str:
    """Write the archive in place of what was there, whole or not at all; its SHA-256.

    Args:
        path: Of the archive; its folder exists.
        members: Name → bytes, or the file that holds them. Files may be larger than memory.

    Raises:
        OSError: When it cannot be written.
    """
    with _beside(path) as unfinished:
        with unfinished.open("xb") as file, zipfile.ZipFile(file, "w") as archive:
            for name in sorted(members):
                _add(archive, name, members[name])
        durable.sync_file(unfinished)
        digest = file_hash(unfinished)
        unfinished.replace(path)
    return digest


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = 3  # Unix, whatever wrote it
    entry.external_attr = 0o100644 << 16
    entry.file_size = content.stat().st_size if isinstance(content, Path) else len(content)
    with archive.open(entry, "w", force_zip64=entry.file_size >= _LARGE) as target:
        if isinstance(content, Path):
            with content.open("rb") as source:
                _copy(source, target)
        else:
            target.write(content)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path in the same folder, which is removed unless it was renamed."""
    unfinished = path.with_name(f".{path.name[:100]}.{os.getpid()}.{uuid4().hex[:8]}")
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def described(content: bytes | Path) -> dict[str, str | int]:
    """SHA-256 and number of bytes, as the manifest lists them."""
    if isinstance(content, Path):
        return {"sha256": file_hash(content), "bytes": content.stat().st_size}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
