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


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, each with its name on the disk. `mode`: of what is made."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode, exist_ok=True)
    sync_folder(folder.parent)


def write(path: Path, content: bytes, mode: int = 0o666, *, synced: bool = True) -> None:
    """Give a file this content. Whoever reads it sees all of it, or what was there before, also after a kill.

    Args:
        path: The file. One process at a time writes it.
        content: All of its bytes.
        mode: Who may read and write a file that is made.
        synced: Whether the content is there after a power failure, too; a note that may be lost needs no wait.

    Raises:
        OSError: When it cannot be written; the file is as it was then.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
            stream.write(content)
            if synced:
                stream.flush()
                os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    if synced:
        sync_folder(path.parent)
