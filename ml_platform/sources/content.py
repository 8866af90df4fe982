"""The content of a file, hashed by whoever reads all of it first."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ml_platform.lake.blobs import file_hash


class Content:
    """A file whose hash is asked for while, or after, it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._sha256: str | None = None

    def hashed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, which are all bytes of the file in order. Where they are not all taken, none counts."""
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
            yield piece
        self._sha256 = digest.hexdigest()

    def sha256(self) -> str:
        """In hex. Raises OSError where the file has to be read for it and cannot be."""
        if self._sha256 is None:
            self._sha256 = file_hash(self.file)
        return self._sha256
