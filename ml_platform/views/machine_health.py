"""Health checks of the machine: writable folders, disk space, DAGSTER_HOME and the write lock."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from ml_platform.lake.locking import holder
from ml_platform.settings import Settings
from ml_platform.views.health_finding import Finding, Severity, surveyed

_LOW = 2_000_000_000  # bytes free; a month of the demo takes 0.03 GB, a merge of files needs them twice
_FULL = 300_000_000  # bytes free: the next run may not be able to write


def machine_findings(settings: Settings) -> Iterator[Finding]:
    """The folders, the disk, DAGSTER_HOME, the kind of catalog and the write lock, in this order."""
    for role in ("landing", "lake", "artifacts"):
        name, folder = f"{role} folder", Path(getattr(settings, role))
        yield from surveyed(name, partial(_folder, name, folder), "Make it readable, or set ML_PLATFORM_DATA.")
    for name, look in MACHINE.items():
        yield from surveyed(name, partial(look, settings), "Check ML_PLATFORM_DATA and DAGSTER_HOME.")


def _folder(name: str, folder: Path) -> Iterator[Finding]:
    if not folder.exists():
        yield Finding(
            name,
            "ok" if _writable(_existing(folder)) else "bad",
            f"{folder} is not there yet",
            f"{_existing(folder)} is not writable: make it writable, or set ML_PLATFORM_DATA.",
        )
    elif _writable(folder):
        yield Finding(name, "ok", f"{folder} is writable")
    else:
        yield Finding(name, "bad", f"{folder} is not writable", "Make it writable, or set ML_PLATFORM_DATA.")


def _existing(folder: Path) -> Path:
    return next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())


def _writable(folder: Path) -> bool:
    # Asking for permission is not enough: a disk may be read-only, and root may do everything.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = _existing(settings.data)
    usage = shutil.disk_usage(folder)
    state: Severity = "bad" if usage.free < _FULL else "warn" if usage.free < _LOW else "ok"
    needs = "" if state == "ok" else f"; a run needs {_size(_FULL)}, and {_size(_LOW)} leave room for maintenance"
    yield Finding(
        "disk",
        state,
        f"{_size(usage.free)} of {_size(usage.total)} free for {folder}{needs}",
        "Free space there, or set ML_PLATFORM_DATA to a larger disk; `ml-platform maintain` removes leftovers.",
    )


def _size(number: int) -> str:
    """Bytes for people.

    >>> _size(300_000_000), _size(2_000_000_000)
    ('300 MB', '2.0 GB')
    """
    return f"{number / 1e9:,.1f} GB" if number >= 1_000_000_000 else f"{number / 1e6:,.0f} MB"


def dagster_home() -> str:
    """DAGSTER_HOME, or `.dagster` of the working directory if that is one; empty without either."""
    own = Path.cwd() / ".dagster"
    return os.environ.get("DAGSTER_HOME", "") or (str(own) if (own / "dagster.yaml").exists() else "")


DAGSTER_HOME_REMEDY = (
    "Make a folder with a copy of .dagster/dagster.yaml of the ml_platform repository, and name it: mkdir -p "
    "/absolute/folder; cp .dagster/dagster.yaml /absolute/folder; export DAGSTER_HOME=/absolute/folder. In a clone "
    "nothing needs to be set."
)


def _dagster_home(_: Settings) -> Iterator[Finding]:
    home = dagster_home()
    remedy = DAGSTER_HOME_REMEDY
    if not home:
        yield Finding("DAGSTER_HOME", "warn", "not set: `dagster dev` will not see the run history", remedy)
    elif not Path(home).is_absolute() or not Path(home).is_dir():
        yield Finding("DAGSTER_HOME", "bad", f"{home} is not an existing absolute folder", remedy)
    elif not (Path(home) / "dagster.yaml").exists():
        yield Finding(
            "DAGSTER_HOME",
            "warn",
            f"{home} has no dagster.yaml: two runs of a pipeline may collide",
            "Copy .dagster/dagster.yaml of the ml_platform repository there.",
        )
    else:
        yield Finding("DAGSTER_HOME", "ok", home)


def _catalog(settings: Settings) -> Iterator[Finding]:
    if settings.catalog.get_secret_value():  # which may hold a password, so nothing of it is shown
        yield Finding("catalog", "ok", "PostgreSQL, from ML_PLATFORM_CATALOG")
    else:
        yield Finding("catalog", "ok", "SQLite, in the lake's folder")


def _lock(settings: Settings) -> Iterator[Finding]:
    path = settings.lake / "write.lock"
    if settings.catalog.get_secret_value() or not path.exists():
        return
    writer = holder(settings.lake)
    who = "somebody"
    if writer:
        who = f"{writer['what']}, process {writer['pid']} on {writer['host']}, since {writer['since']}"
    try:
        with FileLock(path, timeout=0):  # let go at once; a writer that comes right now looks again after 10 ms
            yield Finding("write lock", "ok", "free")
    except Timeout:
        stop = f"`kill {writer['pid']}`" if writer.get("host") == socket.gethostname() else "stopping that process"
        yield Finding(
            "write lock",
            "warn",
            f"held by {who}",
            f"Writers wait for it. A run holds it for seconds; if it hangs, {stop} frees it.",
        )
    except OSError as error:
        yield Finding("write lock", "bad", f"{path}: {error.strerror}", "Make the lake's folder writable.")


MACHINE: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "disk": _disk,
    "DAGSTER_HOME": _dagster_home,
    "catalog": _catalog,
    "write lock": _lock,
}
