"""Arrow IPC streams of strangers: their messages are checked before anything reads a buffer of them.

A reader believes what a stream says of itself: a compressed buffer names the size to allocate, a batch its number of
rows, a schema how deep it nests. Here nothing is believed that the bytes at hand do not bear out. Numbers are little
endian; tables are flatbuffers (Schema.fbs and Message.fbs of Apache Arrow, format version 5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, error

import numpy as np

_CONTINUATION = 0xFFFFFFFF
_SCHEMA, _RECORD_BATCH = 1, 3  # of MessageHeader
_BATCHES = 1_000  # in one stream
_VERSIONS = (3, 4)  # V4 and V5
_UINT8, _INT16, _UINT16 = Struct("<B"), Struct("<h"), Struct("<H")
_INT32, _UINT32, _INT64 = Struct("<i"), Struct("<I"), Struct("<q")


class StreamRefused(ValueError):
    """A stream that is damaged, or holds what is not read. The text is a sentence."""


@dataclass(frozen=True)
class Column:
    """A column as the schema names it; `kind` is the number of its type in Schema.fbs."""

    name: str
    kind: int


@dataclass(frozen=True)
class Stream:
    """What a stream holds: nothing in it is compressed, nested or a dictionary, and all of it is there."""

    columns: Sequence[Column]
    rows: int


def checked(data: bytes) -> Stream:
    """The columns and the number of rows of a stream. Raises StreamRefused."""
    try:
        messages = _messages(data)
        kind, schema, _, _ = next(messages)
        if kind != _SCHEMA:
            raise StreamRefused("The stream does not begin with a schema.")
        columns = _columns(schema)
        rows = sum(_rows(message, len(columns)) for message in messages)
    except (error, UnicodeDecodeError, StopIteration):
        raise StreamRefused("The stream is damaged or cut off.") from None
    return Stream(columns, rows)


def _messages(data: bytes) -> Iterator[tuple[int, "_Table", int, int]]:
    """Kind, header, and size of the body and number of the messages up to the end-of-stream marker."""
    position = 0
    for number in range(_BATCHES + 2):
        if _at(_UINT32, data, position) != _CONTINUATION:
            raise StreamRefused("The stream is damaged, or of a version before 0.15.")
        size = _at(_INT32, data, position + 4)
        position += 8
        if size == 0:
            if position != len(data):
                raise StreamRefused("The stream goes on after its end.")
            return
        if size < 0 or position + size > len(data):
            raise StreamRefused("The stream is damaged or cut off.")
        message = _Table.root(memoryview(data)[position : position + size])
        position += size
        body = message.number(_INT64, 3)
        if message.number(_INT16, 0) not in _VERSIONS or body < 0 or position + body > len(data):
            raise StreamRefused("The stream is damaged or cut off.")
        header = message.table(2)
        if header is None:
            raise StreamRefused("A message of the stream is empty.")
        yield message.number(_UINT8, 1), header, body, number
        position += body
    raise StreamRefused(f"The stream has more than {_BATCHES:,} batches.")


def _columns(schema: "_Table") -> list[Column]:
    if schema.number(_INT16, 0) != 0:
        raise StreamRefused("The stream is big endian.")
    columns = []
    for field in schema.tables(1):
        name = field.text(0)
        if field.table(4) is not None:
            raise StreamRefused(f"The column {name!r} is a dictionary; send its values.")
        if any(True for _ in field.tables(5)):
            raise StreamRefused(f"The column {name!r} is nested.")
        if any(entry.text(0).startswith("ARROW:extension") for entry in field.tables(6)):
            raise StreamRefused(f"The column {name!r} is of an extension type.")
        columns.append(Column(name, field.number(_UINT8, 2)))
    return columns


def _rows(message: tuple[int, "_Table", int, int], columns: int) -> int:
    """The rows of a record batch, whose buffers stand within its body."""
    kind, batch, body, _ = message
    if kind != _RECORD_BATCH:
        raise StreamRefused("The stream holds something else than record batches, such as dictionaries.")
    if batch.table(3) is not None:
        raise StreamRefused("The stream is compressed.")
    rows = batch.number(_INT64, 0)
    nodes, buffers = batch.pairs(1), batch.pairs(2)
    lengths, nulls = nodes[:, 0], nodes[:, 1]
    starts, sizes = buffers[:, 0], buffers[:, 1]
    within = (starts >= 0) & (sizes >= 0) & (starts <= body) & (sizes <= body - starts)
    counted = (lengths == rows) & (nulls >= 0) & (nulls <= rows)
    if rows < 0 or len(nodes) != columns or not counted.all() or not within.all():
        raise StreamRefused("The stream is damaged: a batch and its buffers disagree.")
    return rows


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer. Whatever stands outside of it raises `struct.error`."""

    data: memoryview
    position: int

    @classmethod
    def root(cls, data: memoryview) -> "_Table":
        return cls(data, _at(_UINT32, data, 0))

    def field(self, index: int) -> int | None:
        """Where a field stands; None: it has its default."""
        vtable = self.position - _at(_INT32, self.data, self.position)
        entry = 4 + 2 * index
        if entry + 2 > _at(_UINT16, self.data, vtable):
            return None
        offset = _at(_UINT16, self.data, vtable + entry)
        return self.position + offset if offset else None

    def number(self, kind: Struct, index: int) -> int:
        position = self.field(index)
        return 0 if position is None else _at(kind, self.data, position)

    def table(self, index: int) -> "_Table | None":
        position = self.field(index)
        return None if position is None else self._behind(position)

    def tables(self, index: int) -> Iterator["_Table"]:
        start, count = self._vector(index, 4)
        return (self._behind(start + 4 * number) for number in range(count))

    def text(self, index: int) -> str:
        start, count = self._vector(index, 1)
        return bytes(self.data[start : start + count]).decode()

    def pairs(self, index: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
        """A vector of structs of two numbers of 64 bits."""
        start, count = self._vector(index, 16)
        return np.frombuffer(self.data[start : start + 16 * count], "<i8").reshape(count, 2)

    def _vector(self, index: int, width: int) -> tuple[int, int]:
        """Where the elements of a vector stand, and how many they are."""
        position = self.field(index)
        if position is None:
            return 0, 0
        position += _at(_UINT32, self.data, position)
        count = _at(_UINT32, self.data, position)
        if position + 4 + count * width > len(self.data):
            raise error
        return position + 4, count

    def _behind(self, position: int) -> "_Table":
        return _Table(self.data, position + _at(_UINT32, self.data, position))


def _at(kind: Struct, data: bytes | memoryview, position: int) -> int:
    if position < 0:  # which would count from the end
        raise error
    (number,) = kind.unpack_from(data, position)
    return int(number)
