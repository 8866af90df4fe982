"""From a landed file to a plain one: gzip, zip, and the question whether text is UTF-8."""

import codecs
import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from ml_platform.errors import FileRefused
from ml_platform.sources.broken_files import ContentBroken, WrongEncoding
from ml_platform.sources.guard import Guard

PACKED = (".gz", ".zip")
_CHUNK = 1 << 20
_PLAIN = re.compile(r"[\w /.,:;=+@~-]*")
_WHOLE = "Land the file again, whole."


@contextmanager
def unpacked(file: Path, guard: Guard) -> Iterator[Path]:
    """The plain file behind `file`, unpacked into a temporary folder when it is packed.

    Readers take some signs in a path for a pattern, and know no name that is not UTF-8: such a file is read through a
    link of a plain name. Raises FileRefused for what is no regular file, for a damaged or ambiguous archive, and
    LimitExceeded for one that unpacks to too much.
    """
    check_file(file, guard)
    packed = file.suffix in PACKED
    if not packed and _PLAIN.fullmatch(str(file)):
        yield file
        return
    with TemporaryDirectory(prefix="unpacked-") as folder:
        plain = Path(folder) / "content"
        if not packed:
            plain.symlink_to(file.resolve())
            yield plain
            return
        with plain.open("wb") as target:
            unpack(file, guard, target, suffix=file.suffix)
        yield plain


def check_file(file: Path, guard: Guard) -> None:
    """Raise FileRefused for what is no regular file, LimitExceeded for one that is too large as it lies there."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for somebody who writes to it
        raise FileRefused(guard.path, "it is no regular file", remedy="Land a file.")
    guard.check_bytes(status.st_size, f"{status.st_size:,} bytes")


def unpack(file: Path, guard: Guard, target: IO[bytes], *, suffix: str) -> None:
    """Write what an archive holds to `target`. Raises FileRefused as `unpacked` does.

    `suffix`: one of PACKED, which says what kind of archive it is.
    """
    (_gunzip if suffix == ".gz" else _unzip)(file, guard, target)


def _gunzip(file: Path, guard: Guard, target: IO[bytes]) -> None:
    size = 0
    try:
        with gzip.open(file, "rb") as source:
            for chunk in _guarded(source, guard, file.stat().st_size):
                size += target.write(chunk)
    except EOFError:
        raise ContentBroken(
            guard.path, "the gzip stream is truncated", position=f"after {size:,} unpacked bytes", remedy=_WHOLE
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ContentBroken(
            guard.path, f"not a sound gzip file: {error}", position=f"after {size:,} unpacked bytes", remedy=_WHOLE
        ) from None


def _guarded(source: IO[bytes] | gzip.GzipFile, guard: Guard, packed: int) -> Iterator[bytes]:
    size = 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        guard.check_unpacked(size, packed)
        yield chunk


def _unzip(file: Path, guard: Guard, target: IO[bytes]) -> None:
    path = guard.path
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            if len(members) != 1:
                raise FileRefused(
                    path,
                    f"the zip holds {len(members)} files instead of one",
                    position=", ".join(m.filename for m in members[:3]),
                    remedy="Pack each file by itself.",
                )
            inner = PurePosixPath(members[0].filename.replace("\\", "/"))
            if inner.is_absolute() or ".." in inner.parts:  # it is never written there; an honest export has none
                raise FileRefused(
                    path,
                    f"the zip holds a file for another folder, {str(inner)!r}",
                    remedy="Pack the file without its folders.",
                )
            with archive.open(members[0]) as source:
                for chunk in _guarded(source, guard, file.stat().st_size):
                    target.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ContentBroken(path, f"not a sound zip file: {error}", remedy=_WHOLE) from None
    except RuntimeError as error:  # an encrypted member
        raise FileRefused(path, f"the zip cannot be opened: {error}", remedy="Pack it without a password.") from None


@contextmanager
def in_utf8(plain: Path, guard: Guard, encoding: str | None) -> Iterator[Path]:
    """The same text in UTF-8; the file itself where no encoding is declared.

    Raises FileRefused, with the position, for bytes that are not of that encoding.
    """
    if encoding is None:
        yield plain
        return
    with TemporaryDirectory(prefix="in-utf8-") as folder:
        converted = Path(folder) / "content"
        decoder, lines = codecs.getincrementaldecoder(encoding)(), 0
        with plain.open("rb") as source, converted.open("wb") as target:
            offset = 0
            while True:
                chunk = source.read(_CHUNK)
                guard.check_time(f"after byte {offset:,}")
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeError:
                    position = f"after byte {offset:,}, line {lines + 1:,}"
                    raise WrongEncoding(
                        guard.path, f"it is not {encoding}, as which it is declared", position=position
                    ) from None
                target.write(text.encode())
                offset, lines = offset + len(chunk), lines + text.count("\n")
                if not chunk:
                    break
        yield converted


_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "Parquet",
}


Pieces = Callable[[Iterator[bytes]], Iterator[bytes]]


def check_text(plain: Path, guard: Guard, *, one_line: bool = False, seen_by: Pieces = iter) -> None:
    """Refuse what is not UTF-8 text, and a line that is too long, naming byte and line.

    `one_line`: a line may be of any length, as in a JSON array. `seen_by` hands on the pieces of the file.
    """
    path = guard.path
    with plain.open("rb") as stream:
        start = stream.read(4096)
        if not start.strip(b"\xef\xbb\xbf \t\r\n") and plain.stat().st_size <= len(start):
            raise ContentBroken(path, "the file is empty", remedy="Land it with at least a header, or remove it.")
        for mark, kind in _MARKS.items():
            if start.startswith(mark):
                raise _other_than_text(path, kind)
        if start.count(b"\0") > len(start) // 4:
            raise WrongEncoding(
                path,
                "the file looks like UTF-16 without a mark, or is binary",
                position=f"byte {start.index(0)}",
                likely="UTF-16",
            )
        stream.seek(0)
        _check_utf8(seen_by(iter(lambda: stream.read(_CHUNK), b"")), guard, one_line=one_line)


def _check_utf8(chunks: Iterator[bytes], guard: Guard, *, one_line: bool) -> None:
    path = guard.path
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = lines = since_break = 0
    for chunk in chunks:
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            at = offset - pending + error.start
            line = lines + chunk[: max(0, error.start - pending)].count(b"\n") + 1
            value = error.object[error.start]
            raise WrongEncoding(
                path,
                f"byte 0x{value:02x} is not UTF-8 (a text in cp1252, as of Windows, or binary?)",
                position=f"byte {at:,}, line {line:,}",
                likely="CP1252",
            ) from None
        if b"\0" in chunk:
            at = chunk.index(b"\0")
            line = lines + chunk[:at].count(b"\n") + 1
            raise ContentBroken(
                path,
                "there is a zero byte: the file is binary or damaged",
                position=f"byte {offset + at:,}, line {line:,}",
                remedy=_WHOLE,
            )
        guard.check_time(f"line {lines + 1:,}")
        if not one_line:
            _check_lines(chunk, since_break, lines, guard)
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        since_break = len(chunk) - last - 1 if last >= 0 else since_break + len(chunk)
        offset, lines = offset + len(chunk), lines + chunk.count(b"\n")
    if decoder.getstate()[0]:
        raise ContentBroken(path, "the file ends inside a character", position=f"byte {offset:,}", remedy=_WHOLE)


def _check_lines(chunk: bytes, begun: int, lines: int, guard: Guard) -> None:
    """Refuse a chunk in which a line is too long. `begun`: the bytes of its first line in earlier chunks."""
    ends = [end for end in (chunk.find(b"\n"), chunk.find(b"\r")) if end >= 0]
    guard.check_line(begun + (min(ends) if ends else len(chunk)), f"line {lines + 1:,}")
    if guard.limits.max_line_bytes < len(chunk):
        for number, line in enumerate(chunk.splitlines(), lines + 1):
            guard.check_line(len(line), f"line {number:,}")


def _other_than_text(path: str, kind: str) -> FileRefused:
    problem = f"the file is {kind}, not UTF-8 text"
    if kind.startswith("UTF"):
        return WrongEncoding(path, problem, position="byte 0", likely=kind)
    ending = {"gzip": "gz", "zip": "zip", "Parquet": "parquet"}[kind]
    declared = ', or declare Files(…, format="parquet")' if kind == "Parquet" else ""
    return FileRefused(path, problem, position="byte 0", remedy=f"Give its name the ending .{ending}{declared}.")
