"""What lies in the landing folder: the files of a table, and what no table reads, with the reason."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from ml_platform.errors import IngestionError, SourceUnavailable
from ml_platform.settings import Settings
from ml_platform.sources.event_files import FOLDER, pattern_of
from ml_platform.sources.listing import listing
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
    """The table's files, by path relative to the landing folder, sorted; hidden and unfinished ones left out.

    The files of its events (S36) are among them, and those of the events of other tables never, whatever its pattern.

    Raises SourceUnavailable when the pattern matches more files than `max_files` of the settings.
    """
    folder, pattern, most = settings.landing, files_of(table).pattern, settings.max_files
    declared = listing(folder, pattern, most + 1, left_out=FOLDER).files
    listed = sorted({*declared, *listing(folder, pattern_of(table.name), most + 1).files})
    if len(listed) > most:
        raise SourceUnavailable(
            pattern,
            f"the pattern of {table.name} matches more than {most:,} files",
            position=f"in {folder}",
            remedy="Narrow it, move files away, or raise ML_PLATFORM_MAX_FILES.",
        )
    files: dict[str, Path] = {}
    for file in listed:
        if is_left_alone(file.relative_to(folder)):
            continue
        path = readable(file.relative_to(folder))
        while path in files:  # a name that is not UTF-8 reads like another file's
            path += "'"
        files[path] = file
    return files


def is_left_alone(path: PurePath) -> bool:
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
    too_many: set[str] = set()
    for table in tables:
        try:
            for file in landed(settings, table).values():
                read.setdefault(file, []).append(table.name)
        except SourceUnavailable:
            too_many.add(table.name)
    markers = [table.complete for table in tables if isinstance(table.complete, Marker)]
    folder = settings.landing
    stray_files: list[Stray] = []

    def unlistable(error: OSError) -> None:
        path = readable(Path(error.filename).relative_to(folder))
        stray_files.append(Stray(path, f"cannot be looked into ({error.strerror}): what is there counts as gone"))

    for file in _everything(folder, unlistable):
        path = file.relative_to(folder)
        names = read.get(file, [])
        if len(names) > 1:
            stray_files.append(Stray(readable(path), f"is read by {len(names)} tables, {', '.join(names)}"))
        elif not names and not any(matches(marker.pattern, path.as_posix()) for marker in markers):
            covering = [table.name for table in tables if _covers(table, path)]
            stray_files += [Stray(readable(path), why) for why in _why(file, covering, too_many)]
    return stray_files


def _covers(table: Table, path: Path) -> bool:
    """Whether the table reads files of that name."""
    if path.is_relative_to(FOLDER):
        return matches(pattern_of(table.name), path.as_posix())
    return table.source.covers(path.as_posix())


def _everything(folder: Path, unlistable: Callable[[OSError], None]) -> Iterator[Path]:
    """Every file that is not hidden, and every link to a folder and folder that is named like a file."""
    for where, folders, files in os.walk(folder, onerror=unlistable if folder.exists() else None):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        # Path.is_symlink raises for a path that is too long.
        links = {name for name in folders if os.path.islink(f"{where}/{name}")}  # noqa: PTH114  as said above
        names = [*files, *(name for name in folders if Path(name).suffix or name in links)]
        yield from (Path(where) / name for name in sorted(names) if not name.startswith("."))


def _why(file: Path, covering: list[str], too_many: set[str]) -> Iterator[str]:
    pattern_of = f"the pattern of {', '.join(covering)}" if covering else ""
    try:
        kind = file.stat().st_mode
    except FileNotFoundError:
        kind = 0
    except OSError as error:
        yield f"cannot be looked at ({error.strerror})"
        return
    if stat.S_ISDIR(kind):
        if covering:
            yield f"is a folder and is named like a file of {pattern_of}: declare a pattern that reaches into it"
        elif file.is_symlink():
            yield "is a link to a folder, into which `**` does not go: land its files"
    elif file.suffix in _UNFINISHED:
        yield f"ends in {file.suffix}, as files do that are still being written"
    elif not kind:
        yield "is a link to a file that is not there"
    elif not stat.S_ISREG(kind):
        yield "is no regular file"
    elif covering:  # it landed since the tables were looked at, or is one of too many
        yield from (f"is one of the files of {name}, which has too many" for name in covering if name in too_many)
    else:
        yield "matches the pattern of no declared table"


def sentences(all_strays: list[Stray]) -> list[str]:
    """One sentence for each reason, with the first three paths."""
    by_reason: dict[str, list[str]] = {}
    for stray in all_strays:
        by_reason.setdefault(stray.why, []).append(repr(stray.path))
    return [f"{_listed(paths)} {why}." for why, paths in by_reason.items()]


def _listed(paths: list[str]) -> str:
    if len(paths) == 1:
        return f"In the landing folder, {paths[0]}"
    more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
    return f"In the landing folder, {', '.join(paths[:3])}{more}: each"
