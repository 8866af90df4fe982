"""What the system and its databases say when a disk is full, not writable or failing. The only list of it.

Python's errors have a number. DuckDB and SQLite have words only, and SQLite's "disk I/O error" may mean each of the
three, so there the room on the disk decides.
"""

import errno
import shutil
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TOO_LARGE = frozenset({errno.EFBIG})  # for the file system, or for the process (ulimit -f)
_UNWRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})
_FAILING = frozenset({errno.EIO})
_PASSING = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT})
_FULL_WORDS = ("no space left", "disk is full", "disk quota", "file too large")
_UNWRITABLE_WORDS = (
    "permission denied",
    "read-only file system",
    "readonly database",
    "not a directory",
    "unable to open database",
)
_FAILING_WORDS = ("disk i/o error", "input/output error")
_LITTLE = 1_000_000  # bytes; SQLite's log alone takes pieces of 32 KB


def is_full(error: BaseException, path: Path) -> bool:
    """Whether an error says that there is no room. `path`: what was written; its disk is asked where words are vague.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device"), Path("/data"))
    True
    >>> is_full(ValueError("the table is full"), Path("/data"))
    False
    """
    if isinstance(error, OSError):
        return error.errno in _FULL | _TOO_LARGE
    return _says(error, _FULL_WORDS) or (_says(error, _FAILING_WORDS) and has_no_room(path))


def is_unwritable(error: BaseException) -> bool:
    """Whether an error says that nobody, or not this user, may write there."""
    return error.errno in _UNWRITABLE if isinstance(error, OSError) else _says(error, _UNWRITABLE_WORDS)


def is_failing(error: BaseException) -> bool:
    """Whether an error says that the disk does not answer as it should. Ask `is_full` first."""
    return error.errno in _FAILING if isinstance(error, OSError) else _says(error, _FAILING_WORDS)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error is about the machine and not about what was done: want of disk, memory, processes.

    >>> is_of_the_machine(OSError(errno.ENOMEM, "Cannot allocate memory")), is_of_the_machine(MemoryError())
    (True, True)
    >>> is_of_the_machine(OSError(errno.EACCES, "Permission denied"))
    False
    """
    if isinstance(error, OSError):
        return error.errno in _FULL | _PASSING | _FAILING
    return isinstance(error, MemoryError)


def has_no_room(path: Path) -> bool:
    """Whether the disk of a file or folder, or of where it would be, is full. False where the system does not say."""
    folder = next((one for one in (path, *path.parents) if one.exists()), path)
    try:
        return shutil.disk_usage(folder).free < _LITTLE
    except OSError:
        return False


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    message = str(error).lower()
    return any(word in message for word in words)
