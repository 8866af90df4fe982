"""From a landed file to a plain one: gzip, zip, and the question whether text is UTF-8."""

import codecs
import gzip
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ml_platform.errors import FileRefused

LONGEST_LINE = 8_000_000  # bytes; a longer line is a broken file, not a row
_CHUNK = 1 << 20
_AGAIN = "Land the file again, whole."


@contextmanager
def unpacked(file: Path, path: str) -> Iterator[Path]:
    """The plain file behind `file`, unpacked into a temporary folder when it is packed.

    `path` is what messages call the file. Raises FileRefused for a damaged or ambiguous archive.
    """
    if file.suffix not in (".gz", ".zip"):
        yield file
        return
    with TemporaryDirectory(prefix="unpacked-") as folder:
        plain = Path(folder) / "content"
        (_gunzip if file.suffix == ".gz" else _unzip)(file, path, plain)
        yield plain


def _gunzip(file: Path, path: str, plain: Path) -> None:
    with plain.open("wb") as target:
        try:
            with gzip.open(file, "rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)
        except EOFError:
            raise FileRefused(
                path, "the gzip stream is truncated", position=f"after {target.tell():,} unpacked bytes", remedy=_AGAIN
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise FileRefused(
                path,
                f"not a sound gzip file: {error}",
                position=f"after {target.tell():,} unpacked bytes",
                remedy=_AGAIN,
            ) from None


def _unzip(file: Path, path: str, plain: Path) -> None:
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
            with archive.open(members[0]) as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FileRefused(path, f"not a sound zip file: {error}", remedy=_AGAIN) from None
    except RuntimeError as error:  # an encrypted member
        raise FileRefused(path, f"the zip cannot be opened: {error}", remedy="Pack it without a password.") from None


_ENCODINGS = {"UTF-16": "utf-16", "UTF-32": "utf-32", "CP1252": "cp1252"}


@contextmanager
def in_utf8(plain: Path, path: str, encoding: str | None) -> Iterator[Path]:
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
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeError:
                    raise FileRefused(
                        path,
                        f"it is not {encoding}, the encoding that Files(…) declares",
                        position=f"after byte {offset:,}, line {lines + 1:,}",
                        remedy="Declare encoding= as the file is, or leave it out for UTF-8.",
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


def check_text(plain: Path, path: str, *, longest_line: float = LONGEST_LINE) -> None:
    """Refuse what is not UTF-8 text with lines of at most so many bytes, naming byte and line."""
    with plain.open("rb") as stream:
        start = stream.read(4096)
        if not start.strip(b"\xef\xbb\xbf \t\r\n") and plain.stat().st_size <= len(start):
            raise FileRefused(path, "the file is empty", remedy="Land it with at least a header, or remove it.")
        for mark, kind in _MARKS.items():
            if start.startswith(mark):
                raise FileRefused(path, f"the file is {kind}, not UTF-8 text", position="byte 0", remedy=_remedy(kind))
        if start.count(b"\0") > len(start) // 4:
            raise FileRefused(
                path,
                "the file looks like UTF-16 without a mark, or is binary",
                position=f"byte {start.index(0)}",
                remedy=_remedy("UTF-16"),
            )
        stream.seek(0)
        _check_utf8(iter(lambda: stream.read(_CHUNK), b""), path, longest_line)


def _check_utf8(chunks: Iterator[bytes], path: str, longest_line: float) -> None:
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
            raise FileRefused(
                path,
                f"byte 0x{value:02x} is not UTF-8 (a text in cp1252, as of Windows, or binary?)",
                position=f"byte {at:,}, line {line:,}",
                remedy=_remedy("CP1252"),
            ) from None
        if b"\0" in chunk:
            at = chunk.index(b"\0")
            line = lines + chunk[:at].count(b"\n") + 1
            raise FileRefused(
                path,
                "there is a zero byte: the file is binary or damaged",
                position=f"byte {offset + at:,}, line {line:,}",
                remedy=_AGAIN,
            )
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        since_break = len(chunk) - last - 1 if last >= 0 else since_break + len(chunk)
        offset, lines = offset + len(chunk), lines + chunk.count(b"\n")
        if since_break > longest_line:
            raise FileRefused(
                path,
                f"a line is longer than {longest_line:,} bytes",
                position=f"line {lines + 1:,}",
                remedy="Is a quote missing? Keep large objects in files of their own.",
            )
    if decoder.getstate()[0]:
        raise FileRefused(path, "the file ends inside a character", position=f"byte {offset:,}", remedy=_AGAIN)


def _remedy(kind: str) -> str:
    if kind in ("gzip", "zip"):
        return f"Give its name the ending .{'gz' if kind == 'gzip' else 'zip'}."
    if kind == "Parquet":
        return 'Declare Files(…, format="parquet").'
    return f'Declare Files(…, encoding="{_ENCODINGS[kind]}"), or convert it: iconv -f {kind} -t UTF-8.'
