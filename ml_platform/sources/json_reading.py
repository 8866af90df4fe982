"""Reading JSON: one object a line, or an array of objects.

The text is parsed twice. The first time decides what polars does not: that no field comes twice in an object (it would
take the first), that every escape is a character, and that the file is within its limits. It keeps no value.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml_platform.errors import FileRefused, first_line
from ml_platform.sources.broken_files import ContentBroken
from ml_platform.sources.guard import Guard

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_DIGITS = 38  # of a whole number
_OBJECT = object()  # in the place of every object


def read_ndjson(plain: Path, guard: Guard) -> pl.DataFrame:
    """The objects of a file, one a line. Raises FileRefused, with the line, for anything else."""
    _check_lines(plain, guard)
    with plain.open("rb") as stream:
        marked = stream.read(3) == codecs.BOM_UTF8
    try:
        return pl.read_ndjson(plain.read_bytes()[3:] if marked else plain, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as error:
        _check_lines(plain, guard, numbers=True)
        raise _no_table(guard, error, "lines") from None


def read_json(plain: Path, guard: Guard) -> pl.DataFrame:
    """The objects of an array, or one object a line. Raises FileRefused for anything else."""
    with plain.open("rb") as stream:
        start = stream.read(4096)
    marked = start.startswith(codecs.BOM_UTF8)
    if not start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return _read_lines_or_say_why(plain, guard)
    _check_array(plain.read_bytes(), guard)
    try:
        return pl.read_json(plain.read_bytes()[3:] if marked else plain, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as error:
        _check_array(plain.read_bytes(), guard, numbers=True)
        raise _no_table(guard, error, "objects") from None


def _no_table(guard: Guard, error: Exception, what: str) -> FileRefused:
    problem = f"the objects do not fit one table: {first_line(error)}"
    return FileRefused(guard.path, problem, remedy=f"Give each field one type in all {what}.")


def _read_lines_or_say_why(plain: Path, guard: Guard) -> pl.DataFrame:
    """One object a line; a single object that holds an array of objects is refused, wherever its lines end."""
    try:
        frame = read_ndjson(plain, guard)
    except FileRefused:
        try:
            whole = json.loads(plain.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError):
            whole = None
        if not isinstance(whole, dict):
            raise
        arrays = [name for name, value in whole.items() if isinstance(value, list)]
    else:
        arrays = [name for name, kind in frame.schema.items() if _of_objects(kind)]
        if frame.height != 1 or not arrays:
            return frame
    rows = json.dumps(arrays[0] if arrays else "rows", ensure_ascii=False)
    raise FileRefused(
        guard.path,
        "it is one JSON object, and no array of objects",
        position="byte 0",
        remedy=f"Take the array out of it, as with jq '.[{rows}]'.",
    )


def _of_objects(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)


class _Check:
    """Parses texts of one file without keeping their values, and refuses the file for what polars would pass over.

    numbers: whether a number that no column holds is refused, too.
    """

    def __init__(self, guard: Guard, *, numbers: bool = False) -> None:
        self._guard = guard
        self._names: set[str] = set()
        hooks: dict[str, Any] = {"parse_int": _whole, "parse_float": _finite} if numbers else {}
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=_no_constant, **hooks)

    def parse(self, text: bytes, position: str) -> Any:
        """The value of `text`, in which _OBJECT stands for every object. Raises FileRefused."""
        guard = self._guard
        if text.count(b"[") + text.count(b"{") > guard.limits.max_nesting:
            guard.check_depth(_depth(text), position)
        try:
            value = self._decoder.decode(text.decode())
            if _SURROGATE.search(text):
                json.dumps(json.loads(text), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            problem = "an escape such as \\ud800 is half of a character"
            raise ContentBroken(guard.path, problem, position=position) from None
        except _Twice as twice:
            problem = f"the field {twice.args[0]!r} comes twice in one object"
            remedy = "Give each field of an object a name of its own."
            raise FileRefused(guard.path, problem, position=position, remedy=remedy) from None
        except ValueError as error:
            raise ContentBroken(guard.path, f"not JSON: {error}", position=position) from None
        guard.check_width(len(self._names), position)
        return value

    def check_object(self, value: Any, position: str) -> None:
        """Raise FileRefused for what is not an object."""
        if value is not _OBJECT:
            problem = f"a {type(value).__name__} where an object should be"
            raise ContentBroken(self._guard.path, problem, position=position)

    def _object(self, pairs: list[tuple[str, Any]]) -> object:
        row = dict(pairs)
        if len(row) < len(pairs):
            names = [name for name, _ in pairs]
            raise _Twice(next(name for name in names if names.count(name) > 1))
        self._names.update(row)
        return _OBJECT


class _Twice(Exception):
    """A field of this name comes twice in one object."""


def _check_lines(plain: Path, guard: Guard, *, numbers: bool = False) -> None:
    check = _Check(guard, numbers=numbers)
    with plain.open("rb") as stream:
        for number, line in enumerate(_lines(stream), 1):
            position = f"line {number:,}"
            if number % 1024 == 0:
                guard.check_time(position)
            guard.check_line(len(line), position)
            if line.strip():
                check.check_object(check.parse(line, position), position)


def _lines(stream: Any) -> Iterator[bytes]:
    for number, line in enumerate(stream):
        yield line if number else line.removeprefix(codecs.BOM_UTF8)


def _check_array(text: bytes, guard: Guard, *, numbers: bool = False) -> None:
    check = _Check(guard, numbers=numbers)
    items = check.parse(text.removeprefix(codecs.BOM_UTF8), "the array")
    guard.check_time("the array")
    for number, item in enumerate(items, 1):
        check.check_object(item, f"item {number:,} of the array")


def _depth(text: bytes) -> int:
    """How deeply lists and objects are nested; brackets in texts do not count."""
    brackets = np.frombuffer(_STRING.sub(b"", text).translate(None, _NO_BRACKETS), dtype=np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    return int(np.cumsum(np.where(opening, 1, -1)).max(initial=0))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"the number {digits[:12]}… has more than {_DIGITS} digits")
    return 0


def _finite(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return 0.0
