"""Zip archives whose bytes depend on their files alone: fixed times, order and permissions."""

import io
import zipfile
from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment


def archived(files: Mapping[str, bytes], last: tuple[str, ...] = ()) -> bytes:
    """The bytes of an archive of these files, sorted by path but for those in `last`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in [*sorted(set(files) - set(last)), *last]:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], compresslevel=6)
    return buffer.getvalue()
