"""What lies in the landing folder: the files of a table, and what no table reads, with the reason."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ml_platform.errors import IngestionError
from ml_platform.settings import Settings
from ml_platform.sources.source import Stamp
from ml_platform.spec.completeness import Marker
from ml_platform.spec.patterns import matches
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table

_UNFINISHED = (".tmp", ".part")


def files_of(table: Table) -> Files:
    """The table's source as `Files`. Raises IngestionError for a table whose rows come from elsewhere."""
    if isinstance(table.source, Files):
        return table.source
    raise IngestionError(
        f"The rows of {table.name} do not come from files.", remedy="`ml-platform run` reads them where they are."
    )


def landed(settings: Settings, table: Table) -> dict[str, Path]:
    """The table's files, by path relative to the landing folder, sorted; hidden and unfinished ones left out."""
    folder = settings.landing
    files: dict[str, Path] = {}
    pattern = files_of(table).pattern
    listed = f"{pattern}/*" if PurePosixPath(pattern).name == "**" else pattern  # alone it lists folders only
    for file in sorted(folder.glob(listed)):
        if is_left_alone(file.relative_to(folder)) or not file.is_file():
            continue
        path = readable(file.relative_to(folder))
        while path in files:  # a name that is not UTF-8 reads like another file's
            path += "'"
        files[path] = file
    return files


def is_left_alone(path: Path) -> bool:
    """Whether a file is hidden, or one that is still being written."""
    return any(part.startswith(".") for part in path.parts) or path.suffix in _UNFINISHED


def readable(path: Path) -> str:
    """A path for people and databases; a name that is not UTF-8 cannot be stored, and shows its bytes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def stamp_of(file: Path) -> Stamp:
    """Size, and the time at which the system saw the file change last (`ctime`), in nanoseconds.

    Unlike the time of modification no ordinary program can set it: a file that is corrected in place with its size
    and time kept has another stamp. Where a file system has no such time, a change of size or time is noticed only.
    """
    status = file.stat()
    return Stamp(status.st_size, status.st_mtime_ns if os.name == "nt" else status.st_ctime_ns)


@dataclass(frozen=True)
class Stray:
    """Something in the landing folder that no table reads, or that two do, and why, as a clause."""

    path: str
    why: str


def strays(settings: Settings, tables: Iterable[Table]) -> list[Stray]:
    """What in the landing folder is not read, and what is read twice. `tables` are all that are declared.

    Hidden files are not mentioned: nobody lands a file under such a name.
    """
    tables = {table.name: table for table in tables if table.source.in_landing_folder}.values()
    read: dict[Path, list[str]] = {}
    for table in tables:
        for file in landed(settings, table).values():
            read.setdefault(file, []).append(table.name)
    markers = [table.complete for table in tables if isinstance(table.complete, Marker)]
    folder = settings.landing
    stray_files = []
    for file in _everything(folder):
        path = file.relative_to(folder)
        names = read.get(file, [])
        if len(names) > 1:
            stray_files.append(Stray(readable(path), f"is read by {len(names)} tables, {', '.join(names)}"))
        elif not names and not any(matches(marker.of("*"), path.as_posix()) for marker in markers):
            covering = [table.name for table in tables if table.source.covers(path.as_posix())]
            stray_files += [Stray(readable(path), why) for why in _why(file, covering)]
    return stray_files


def _everything(folder: Path) -> Iterator[Path]:
    """Every file that is not hidden, and every link to a folder and folder that is named like a file."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = [*files, *(name for name in folders if Path(name).suffix or (Path(where) / name).is_symlink())]
        yield from (Path(where) / name for name in sorted(names) if not name.startswith("."))


def _why(file: Path, covering: list[str]) -> Iterator[str]:
    pattern_of = f"the pattern of {', '.join(covering)}" if covering else ""
    if file.is_dir():
        if covering:
            yield f"is a folder and is named like a file of {pattern_of}: declare a pattern that reaches into it"
        elif file.is_symlink():
            yield "is a link to a folder, into which `**` does not go: land its files"
    elif file.suffix in _UNFINISHED:
        yield f"ends in {file.suffix}, as files do that are still being written"
    elif file.is_symlink() and not file.exists():
        yield "is a link to a file that is not there"
    elif not file.is_file():
        yield "is no regular file"
    else:
        yield "matches the pattern of no declared table"


def sentences(found: list[Stray]) -> list[str]:
    """One sentence for each reason, with the first three paths."""
    by_reason: dict[str, list[str]] = {}
    for stray in found:
        by_reason.setdefault(stray.why, []).append(repr(stray.path))
    return [f"{_listed(paths)} {why}." for why, paths in by_reason.items()]


def _listed(paths: list[str]) -> str:
    if len(paths) == 1:
        return f"In the landing folder, {paths[0]}"
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return f"In the landing folder, {', '.join(paths[:3])}{more}: each"
