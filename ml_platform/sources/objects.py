"""`Objects`: each object of a bucket is a version of its path, `s3://bucket/key`."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml_platform.disk_errors import is_of_the_machine
from ml_platform.errors import SourceUnavailable
from ml_platform.escaping import markdown_code
from ml_platform.settings import Settings
from ml_platform.sources.bucket import Bucket
from ml_platform.sources.content import Content
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.file_reading import read_into
from ml_platform.sources.guard import Guard
from ml_platform.sources.landed import is_left_alone
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.sources.unpacking import PACKED
from ml_platform.spec.patterns import fixed_folders, matches
from ml_platform.spec.sources import Objects
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion

if TYPE_CHECKING:
    from obstore import ObjectMeta


class ObjectSource(Source):
    """The objects of a table; a version is known by its size, entity tag and time, and told from others by its content.

    An object is copied into a temporary folder and read there, as a file is; nothing of it counts unless it came whole.
    """

    def __init__(self, settings: Settings, table: Table) -> None:
        assert isinstance(table.source, Objects)  # `registry.source_of` chose this class for it
        self._settings = settings
        self._table = table
        self._declared = table.source
        self._bucket = Bucket(self._declared, settings)
        self._tags: dict[str, str | None] = {}  # by path, as discovered

    @property
    def display(self) -> dict[str, Any]:
        return {"bucket": {"text": markdown_code(self._declared.address)}}

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        for path, stamp, tag in self._stamped(retries=True):
            self._tags[path] = tag
            yield Available(path, stamp, partial(self._fingerprint, path, stamp.size))

    def read(self, version: Available, rows: RowSink) -> Reading:
        path = version.path
        try:
            Guard(path, self._settings).check_bytes(version.stamp.size, f"{version.stamp.size:,} bytes")
        except RAISED as fault:
            return Reading("", version.stamp, str(refusal(path, fault, "it was listed")))
        with TemporaryDirectory(prefix="object-") as folder:
            suffix = PurePosixPath(path).suffix  # any other may be longer than the system allows
            file = Path(folder) / f"content{suffix if suffix in PACKED else ''}"
            content, error_text = Content(file), None
            try:
                with file.open("wb") as copy:
                    for piece in content.hashed(self._pieces(path, version.stamp.size)):
                        copy.write(piece)
            except OSError as error:
                if not is_of_the_machine(error):
                    raise
                raise SourceUnavailable(
                    path, f"it cannot be copied: {error.strerror}", remedy="The next run tries again."
                ) from None
            try:
                read_into(rows, content, path, self._declared, self._settings)
            except SourceUnavailable:
                raise
            except RAISED as fault:
                error_text = str(refusal(path, fault, "it was read"))
            return Reading(content.sha256(), version.stamp, error_text)

    def _pieces(self, path: str, size: int) -> Iterator[bytes]:
        return self._bucket.pieces(path.removeprefix(self._declared.address), self._tags[path], size)

    def _fingerprint(self, path: str, size: int) -> str:
        """Asked for where the stamp differs from the one on record. Empty for what is too large to be read."""
        if size > self._settings.max_file_bytes:
            return ""
        digest = hashlib.sha256()
        for piece in self._pieces(path, size):
            digest.update(piece)
        return digest.hexdigest()

    def marks(self) -> list[list[Any]]:
        try:
            return [[path, *stamp] for path, stamp, _ in self._stamped(retries=False)]
        except SourceUnavailable:  # as a run says
            return []

    def _stamped(self, *, retries: bool) -> Iterator[tuple[str, Stamp, str | None]]:
        """Path, stamp and entity tag of the table's objects, by path. The bucket is listed whole before the first."""
        declared, most = self._declared, self._settings.max_files
        objects: dict[str, ObjectMeta] = {}
        for each in self._bucket.objects("/".join(fixed_folders(declared.pattern)), retries=retries):
            key = PurePosixPath(each["path"])
            if not matches(declared.pattern, key.as_posix()) or is_left_alone(key):
                continue
            # The client strips slashes around a key: the empty folder `a.csv/` must not hide the object `a.csv`.
            objects[each["path"]] = max(objects.get(each["path"], each), each, key=lambda one: one["size"])
            if len(objects) > most:
                raise SourceUnavailable(
                    declared.address + declared.pattern,
                    f"the pattern of {self._table.name} matches more than {most:,} objects",
                    remedy="Narrow it, move objects away, or raise ML_PLATFORM_MAX_FILES.",
                )
        for path, each in sorted(objects.items()):
            yield declared.address + path, _stamp(each), each["e_tag"]


SOURCE = ObjectSource


def _stamp(one: "ObjectMeta") -> Stamp:
    """Size, and 63 bits of a hash of entity tag, version and time of modification: whatever the store says of it."""
    whole = f"{one['e_tag']}\n{one['version']}\n{one['last_modified'].isoformat()}"
    return Stamp(one["size"], int.from_bytes(hashlib.sha256(whole.encode()).digest()[:8]) >> 1)
