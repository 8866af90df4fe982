"""What is still there after a power failure: a file's bytes, and the name under which its folder lists it.

A rename alone promises neither. The order is: the bytes (`sync_file`), the rename, the name (`sync_folder`).
"""

import errno
import os
from pathlib import Path

_CANNOT = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})  # some network file systems sync no folder


def sync_file(path: Path) -> None:
    """Return once the bytes of a file are on the disk. Raises OSError when they cannot be written there."""
    with path.open("rb+" if os.name == "nt" else "rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk. Does nothing where the system has no such call."""
    if os.name == "nt":  # which opens no folder
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(number)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each with its name on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
