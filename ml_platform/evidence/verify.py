#!/usr/bin/env python3
"""Verify an evidence archive offline: every member by its SHA-256, nothing missing, nothing extra.

    python verify.py ARCHIVE.zip [--sha256 HASH]
    python verify.py FOLDER                        what was unpacked from one

It needs Python 3.9 or newer and no other package. Exit code 0: whole. 1: something differs, each named on a line of its
own. 2: it is no evidence archive, or the arguments are wrong. Whoever can change a member can also change the manifest
and this script: compare the SHA-256 of the archive with the one that was noted when it was made (`--sha256`), and run a
verify.py of your own.
"""

from __future__ import annotations  # Python 3.9 reads the types

import hashlib
import json
import stat
import struct
import sys
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

MANIFEST = "manifest.json"
LAYOUT = 1
_CHUNK = 1 << 20
_LARGEST_TEXT = 256 << 20  # bytes of a manifest or record that is read into memory


try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it
    LZMAError = zlib.error  # type: ignore[assignment, misc]  # nothing raises the real one then

# What a damaged member raises. A wrong text or number is a ValueError, deep nesting a RuntimeError.
_BROKEN = (OSError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError, ValueError, OverflowError)
_END_RECORD = 22  # bytes of the end of a zip file without a comment


class Unreadable(Exception):
    """What was given is no evidence archive."""


class _Members(ABC):
    """What was given: the members of a zip file, or the files of a folder."""

    @abstractmethod
    def names(self) -> list[str]: ...

    @abstractmethod
    def problems(self) -> Iterator[str]: ...

    @abstractmethod
    def open(self, name: str) -> IO[bytes]: ...


class _Zip(_Members):
    """The members of a zip file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise Unreadable(f"{path}: no plain file")
        try:
            self.archive = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise Unreadable(f"{path}: {error}") from None
        self.infos = self.archive.infolist()
        self.path = path

    def names(self) -> list[str]:
        return [info.filename for info in self.infos]

    def problems(self) -> Iterator[str]:
        """What a zip can hide beside its members."""
        for info in self.infos:
            mode = info.external_attr >> 16
            if mode and not stat.S_ISREG(mode):
                yield f"{info.filename!r} is no plain file"
            if info.flag_bits & 0x1:
                yield f"{info.filename!r} is encrypted"
        if self.archive.comment:
            yield "the archive has a comment"
        at = 0
        with self.path.open("rb") as file:
            for info in sorted(self.infos, key=lambda one: one.header_offset):
                if info.header_offset != at:
                    yield f"there are bytes of no member before {info.filename!r}"
                file.seek(info.header_offset)
                header = file.read(30)
                if len(header) < 30 or header[:4] != b"PK\x03\x04":
                    yield f"{info.filename!r} has no header"
                    return
                name, extra = struct.unpack("<HH", header[26:30])
                at = info.header_offset + 30 + name + extra + info.compress_size
            file.seek(max(0, self.path.stat().st_size - _END_RECORD))
            ends = file.read(4) == b"PK\x05\x06"
        if at != self.archive.start_dir:
            yield "there are bytes of no member before the directory"
        if not self.archive.comment and not ends:
            yield "there are bytes behind the archive"

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(name)


class _Folder(_Members):
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _files(self) -> list[Path]:
        return sorted(one for one in self.path.rglob("*") if one.is_symlink() or not one.is_dir())

    def names(self) -> list[str]:
        return [one.relative_to(self.path).as_posix() for one in self._files()]

    def problems(self) -> Iterator[str]:
        for one in self._files():
            if one.is_symlink() or not one.is_file():
                yield f"{one.relative_to(self.path).as_posix()!r} is no plain file"

    def open(self, name: str) -> IO[bytes]:
        path = self.path / name
        if path.is_symlink() or not path.is_file():
            raise OSError("no plain file")
        return path.open("rb")


def problems(path: Path) -> list[str]:
    """What differs, a sentence each; empty for an archive, or an unpacked one, that is whole. Raises Unreadable."""
    members: _Members = _Folder(path) if path.is_dir() else _Zip(path)
    names = members.names()
    if MANIFEST not in names:
        raise Unreadable(f"{path}: there is no {MANIFEST}")
    differences = [f"{name!r} is there {count} times" for name, count in Counter(names).items() if count > 1]
    differences += [f"{name!r} is no name of a member" for name in names if not _is_safe(name)]
    differences += members.problems()
    manifest = _json(members, MANIFEST)
    listed = manifest.get("members") if isinstance(manifest, dict) else None
    layout = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(listed, dict) or type(layout) is not int or layout != LAYOUT:
        raise Unreadable(f"{path}: {MANIFEST} is of another format than {LAYOUT}")
    differences += [f"{name!r} is missing" for name in sorted(set(listed) - set(names))]
    differences += [f"{name!r} was added" for name in sorted(set(names) - set(listed) - {MANIFEST})]
    whole: set[str] = set()
    for name in sorted(set(listed) & set(names)):
        problem = _difference(members, name, listed[name])
        if problem:
            differences.append(problem)
        else:
            whole.add(name)
    try:
        return differences + _contradictions(members, manifest, listed, whole)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return [*differences, f"the records are not of the form that they should have ({error!r})"]


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and not parts[0].endswith(":")
    return plain and "\\" not in name and name.isprintable()


def _difference(members: _Members, name: str, expected: Any) -> str:
    """Why a member is not what the manifest says; empty where it is."""
    digest, size = hashlib.sha256(), 0
    try:
        most = int(expected["bytes"])
        with members.open(name) as stream:
            while True:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    break
                size += len(chunk)
                if size > most:  # not a byte more is read than the manifest tells
                    return f"{name!r} is longer than the {most} bytes of the manifest"
                digest.update(chunk)
    except _BROKEN as error:
        return f"{name!r} cannot be read ({error})"
    except (KeyError, TypeError):
        return f"{name!r} has no hash in the manifest"
    if digest.hexdigest() != expected.get("sha256"):
        return f"{name!r} has other bytes: SHA-256 {digest.hexdigest()}, in the manifest {expected.get('sha256')}"
    return "" if size == most else f"{name!r} has {size} bytes, in the manifest {most}"


def _json(members: _Members, name: str) -> Any:
    try:
        with members.open(name) as stream:
            text = stream.read(_LARGEST_TEXT + 1)
        if len(text) > _LARGEST_TEXT:
            raise Unreadable(f"{name} is larger than {_LARGEST_TEXT} bytes")
        return json.loads(text)
    except _BROKEN as error:
        raise Unreadable(f"{name} cannot be read ({error})") from None


def _contradictions(
    members: _Members, manifest: Mapping[str, Any], listed: Mapping[str, Any], whole: set[str]
) -> list[str]:
    """Digests that the records name, against the members themselves."""
    differences: list[str] = []
    version_record = "records/version.json"
    if version_record not in whole:
        return differences
    version = _json(members, version_record)
    for what, member in (("bundle", "model/bundle.zip"), ("training_set", "data/training_set.parquet")):
        if manifest.get(what) != version.get(what):
            differences.append(f"the manifest names another {what} than {version_record!r}")
        if member in whole and listed[member]["sha256"] != version.get(what):
            differences.append(f"{member!r} is not the {what} of {version_record!r}")
    if {"data/files.json", "card/card.json"} <= whole:
        differences += _other_files(_json(members, "data/files.json"), _json(members, "card/card.json"))
    return differences


def _other_files(files: list[Any], card: Mapping[str, Any]) -> Iterator[str]:
    """Tables whose list of files is not the one that the card has the hash of."""
    for table in card.get("tables", []):
        mine = (one for one in files if one["table"] == table["table"])
        lines = sorted({f"{one['sha256']} {one['path']}\n" for one in mine})
        if hashlib.sha256("".join(lines).encode()).hexdigest() != table["files_digest"]:
            yield f"the files of {table['table']!r} in 'data/files.json' are not those of the card"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    """The exit code; what differs is printed."""
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--sha256"):
        sys.stderr.write("usage: python verify.py ARCHIVE.zip [--sha256 HASH]\n")
        return 2
    path = Path(arguments[0])
    try:
        differences = problems(path)
        if len(arguments) == 3:
            actual = "" if path.is_dir() else file_sha256(path)
            if actual != arguments[2].lower():
                differences.append(f"the archive has the SHA-256 {actual or 'of a folder: none'}, not {arguments[2]}")
    except (Unreadable, OSError) as error:
        sys.stderr.write(f"{str(error)!a}\n")
        return 2
    for problem in differences:
        sys.stdout.write(f"{ascii(problem)[1:-1]}\n")
    sys.stdout.write("DIFFERS\n" if differences else "WHOLE\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
