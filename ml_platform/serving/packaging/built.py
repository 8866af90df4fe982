"""What packaging leaves in the folder that was asked for."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from ml_platform.errors import ServingError


@dataclass(frozen=True)
class Built:
    """A package that was written.

    path:   the file, or the folder of several.
    sha256: of the file; of a folder, of its paths and the hashes of its files. Equal versions give equal ones.
    report: what else there is to say, as JSON values.
    """

    path: Path
    size: int
    sha256: str
    report: Mapping[str, Any] = field(default_factory=dict)


def write_file(path: Path, data: bytes, report: Mapping[str, Any] | None = None) -> Built:
    """Write a package of one file: whole or not at all. Raises ServingError where it cannot be written."""
    _write(path, data)
    return Built(path, len(data), hashlib.sha256(data).hexdigest(), report or {})


def write_files(folder: Path, files: Mapping[str, bytes], report: Mapping[str, Any] | None = None) -> Built:
    """Write a package of several files, each whole. What else lies in the folder stays.

    Raises ServingError where they cannot be written.
    """
    lines = []
    for name, data in sorted(files.items()):
        _write(folder / name, data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    size = sum(map(len, files.values()))
    return Built(folder, size, hashlib.sha256("".join(lines).encode()).hexdigest(), report or {})


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == data:
            return
        incoming = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        try:
            incoming.write_bytes(data)
            incoming.replace(path)
        finally:
            incoming.unlink(missing_ok=True)
    except OSError as error:
        raise ServingError(
            f"{path} cannot be written: {error.strerror or error}.", remedy="Name another folder with --to."
        ) from None
