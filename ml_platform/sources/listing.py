"""The files that a pattern matches, and the folders that cannot be looked into. One bad entry hides no other."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath


@dataclass
class Listing:
    """files: regular files, sorted. unlistable: folder → why the system does not tell what is in it."""

    files: list[Path] = field(default_factory=list)
    unlistable: dict[Path, str] = field(default_factory=dict)


def listing(folder: Path, pattern: str, most: int, left_out: str = "") -> Listing:
    """The regular files below `folder` that the pattern matches, at most so many; hidden ones are left out.

    `*` stands for anything within a name and follows links to folders, `**` for any folders, and follows none. A `**`
    at the end stands for the files in them.

    left_out: a folder in `folder` of which no file is listed or counted.
    """
    parts = PurePosixPath(pattern).parts
    matches = Listing()
    files = _files(folder, (*parts, "*") if parts[-1:] == ("**",) else parts, matches.unlistable)
    if left_out:
        prefix = f"{folder / left_out}{os.sep}"
        files = (file for file in files if not str(file).startswith(prefix))
    matches.files = sorted(set(islice(files, most)))
    return matches


def _files(folder: Path, parts: tuple[str, ...], unlistable: dict[Path, str]) -> Iterator[Path]:
    first, others = parts[0], parts[1:]
    if first == "**":
        yield from _files(folder, others, unlistable)
        for entry in _entries(folder, unlistable):
            if _is(entry.is_dir, follow_symlinks=False):
                yield from _files(folder / entry.name, parts, unlistable)
        return
    for entry in _entries(folder, unlistable):
        if fnmatchcase(entry.name, first):
            if others and _is(entry.is_dir):
                yield from _files(folder / entry.name, others, unlistable)
            elif not others and _is(entry.is_file):
                yield folder / entry.name


def _entries(folder: Path, unlistable: dict[Path, str]) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []  # there is none yet, or it went away
    except OSError as error:
        unlistable[folder] = str(error.strerror)
        return []


def _is(check: Callable[..., bool], **options: bool) -> bool:
    try:
        return check(**options)
    except OSError:  # a loop of links, or a link into a folder that nobody may look into
        return False
