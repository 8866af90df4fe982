"""Content-addressed blobs: a file's name is the SHA-256 of its bytes."""

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ml_platform.errors import BlobError
from ml_platform.lake import durable
from ml_platform.lake.disk_faults import explained
from ml_platform.settings import Settings

_NAME = re.compile(r"[0-9a-f]{64}")
_SETTLED = 2_000_000_000  # nanoseconds; two writes closer than a disk's clock ticks have one time of change
_SMALL = 65_536  # bytes; hashlib's buffer for a file takes longer to make than such a file to hash


@dataclass(frozen=True)
class Rewriting:
    """`present`: the hash of what stands for a blob that was rewritten; `at`: when, as people read it."""

    present: str
    at: str


class Blobs:
    """Blobs in `<artifacts>/<first two digits>/<hash>`. Putting the same bytes twice is one file."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.folder = (settings or Settings()).artifacts

    def path(self, digest: str) -> Path:
        """Where a blob of that hash is or would be; of one that was rewritten, where its content is now."""
        return self._own_path(self.present(digest))

    def _own_path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def present(self, digest: str) -> str:
        """The hash of what stands for a blob now: its own, or that of the content without forgotten rows (S47)."""
        while (note := self.rewriting(digest)) is not None:
            digest = note.present
        return digest

    def rewriting(self, digest: str) -> Rewriting | None:
        """How a blob was rewritten because rows were forgotten; None while its own bytes are there."""
        own = self._own_path(digest)
        if own.exists():
            return None
        try:
            return Rewriting(**json.loads(self.rewriting_note(digest).read_bytes()))
        except FileNotFoundError:
            return None

    def rewriting_note(self, digest: str) -> Path:
        """The small file that says what stands for a blob that was rewritten."""
        return self._own_path(digest).with_name(f"{digest}.rewritten")

    def rewrite(self, digest: str, file: Path, at: str) -> str:
        """Let the content of `file` stand for the blob from now on, and remove its own bytes; the new hash.

        at: when, as people read it. After a kill either content stands, whole; the same call finishes.
        """
        present = self.put_file(file)
        if present == digest:
            return digest
        durable.write(self.rewriting_note(digest), json.dumps({"present": present, "at": at}).encode())
        self._own_path(digest).unlink(missing_ok=True)
        return present

    def put_bytes(self, data: bytes) -> str:
        """Store bytes; their hash."""
        with self.writing() as path:
            path.write_bytes(data)
            return self.put_file(path)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A temporary path on the same disk, removed at the end unless `put_file` took it.

        Raises LakeError when the disk is full or not writable.
        """
        incoming = self.folder / "incoming"
        path = incoming / uuid.uuid4().hex
        with explained(self.folder):
            incoming.mkdir(parents=True, exist_ok=True)
            try:
                yield path
            finally:
                if path.is_dir():
                    shutil.rmtree(path)
                path.unlink(missing_ok=True)

    def put_file(self, path: Path) -> str:
        """Move a finished file in; its hash. Safe against a kill and a power failure: its name comes after its bytes.

        A blob that exists is replaced as well. That repairs a damaged one, and its new
        modification time protects it from maintenance until the caller has recorded the hash.
        """
        digest = file_hash(path)
        target = self._own_path(digest)
        durable.make_folder(target.parent)
        path.touch()
        durable.sync_file(path)
        path.replace(target)
        durable.sync_folder(target.parent)
        return digest

    def whole(self, digest: str) -> bool:
        """Whether the blob is there and its bytes are what its name says; read once a process while nobody touches it.

        For plans, which ask often. What is about to be used is read whole each time (`get`).
        """
        present = self.present(digest)
        return unchanged(self._own_path(present), present)

    def renewed(self, digest: str) -> bool:
        """Whether the blob is whole, for who is about to use and record one that nothing may reference any more.

        It counts as new from now on, so that maintenance leaves it alone for as long as a new one.
        """
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        return self.whole(digest)

    def get(self, digest: str) -> Path:
        """The path of a blob whose bytes were checked. Raises BlobError when missing or damaged."""
        digest = self.present(digest)
        path = self._own_path(digest)
        if not path.exists():
            raise BlobError(
                f"The blob {digest[:12]} is not in {self.folder}.",
                remedy="Run the step that made it again: `ml-platform run`.",
            )
        if file_hash(path) != digest:
            raise BlobError(
                f"The blob {path} is damaged: its bytes have another hash.",
                remedy="Delete the file and run the step that made it again.",
            )
        return path


def stored(folder: Path) -> Iterator[Path]:
    """The blobs in the folder of artifacts. What else lies there, under names of its own, belongs to somebody."""
    for path in folder.glob("??/*"):
        if _NAME.fullmatch(path.name) and path.parent.name == path.name[:2] and path.is_file():
            yield path


def unchanged(path: Path | str, digest: str) -> bool:
    """Whether the file is there with that hash; read once a process while nobody touches it."""
    try:
        return remembered_hash(path) == digest
    except FileNotFoundError:
        return False


def remembered_hash(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex; read once a process while nobody touches it. Raises OSError."""
    name = os.fspath(path)
    seen = os.stat(name)  # noqa: PTH116 - a Path takes three times as long, of 10,000 files 0.1 s
    # A program may set the time of modification, and not that of the last change, which Windows does not tell.
    changed = seen.st_mtime_ns if os.name == "nt" else seen.st_ctime_ns
    if time.time_ns() - changed < _SETTLED:
        return file_hash(Path(name))
    return _hash_of(name, seen.st_size, seen.st_mtime_ns, changed, seen.st_ino)


@lru_cache(maxsize=100_000)
def _hash_of(path: str, size: int, modified_ns: int, changed_ns: int, inode: int) -> str:
    return file_hash(Path(path))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        begin = stream.read(_SMALL)
        if len(begin) < _SMALL:
            return hashlib.sha256(begin).hexdigest()
        stream.seek(0)
        return hashlib.file_digest(stream, "sha256").hexdigest()
