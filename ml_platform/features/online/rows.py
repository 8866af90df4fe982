"""Rows that are stored online: those of one join key, as columns in one run of bytes.

A value of the online store holds the row versions that can count for one key of one join. Numbers stand as they are,
so reading a value copies nothing: a column is a view of its bytes.

    fingerprint of the layout, 8 bytes · rows, 4 · padding, 4 · first usable, 8
    by column: offset of the presence bytes (0: all present), offset of the data, 4 each
    the blocks, each from a multiple of 8 on: presence, 1 byte a row; numbers, 8 a row; texts, ends of 4, then UTF-8
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.arrays import Integers, Mask
from ml_platform.spec.durations import EPOCH, since_epoch

Kind = Literal["whole", "unsigned", "fraction", "text"]

_LAYOUT = 1  # part of every fingerprint: raise it when the bytes mean something else
FINGERPRINT_BYTES = 8
_HEAD = struct.Struct(f"<{FINGERPRINT_BYTES}sIxxxxq")
_OFFSETS = struct.Struct("<II")
NUMBERS: dict[Kind, npt.DTypeLike] = {"whole": np.int64, "unsigned": np.uint64, "fraction": np.float64}
_SCALAR_FORMAT: dict[Kind, str] = {"whole": "<q", "unsigned": "<Q", "fraction": "<d"}
_EPOCH_DAY = date(1970, 1, 1)
_AS_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def kind_of(dtype: pl.DataType) -> Kind:
    """How values of a contract's type are stored."""
    if dtype.is_float():
        return "fraction"
    if dtype == pl.UInt64:
        return "unsigned"
    if dtype.is_integer() or dtype in (pl.Boolean, pl.Date) or isinstance(dtype, pl.Datetime):
        return "whole"
    return "text"


@dataclass(frozen=True)
class Values:
    """One column of some rows, as it is stored: numbers or encoded texts, and which are present (None: all)."""

    kind: Kind
    data: Any
    present: Mask | None = None

    @classmethod
    def of(cls, series: pl.Series) -> "Values":
        """A column of a contract's type."""
        kind = kind_of(series.dtype)
        present = series.is_not_null().to_numpy() if series.null_count() else None
        if kind == "text":
            texts = series.cast(pl.String).to_list()
            return cls(kind, [b"" if text is None else text.encode() for text in texts], present)
        # A method of a series that is an expression in polars costs 50 to 100 µs, as much as thousands of values.
        if isinstance(series.dtype, pl.Datetime) and series.dtype.time_unit != "us":
            series = series.dt.epoch("us")
        numbers = series.cast({"whole": pl.Int64(), "unsigned": pl.UInt64(), "fraction": pl.Float64()}[kind])
        return cls(kind, (numbers if present is None else numbers.fill_null(0)).to_numpy(), present)

    @classmethod
    def whole(cls, numbers: Any, present: Mask | None = None) -> "Values":
        """Whole numbers of 64 bits."""
        return cls("whole", np.asarray(numbers, np.int64), present)

    def slice(self, first: int, end: int) -> "Values":
        """Some rows of it."""
        return Values(self.kind, self.data[first:end], None if self.present is None else self.present[first:end])

    def with_more(self, more: "Values") -> "Values":
        """These values, and after them others of the same kind."""
        data = [*self.data, *more.data] if self.kind == "text" else np.concatenate([self.data, more.data])
        if self.present is None and more.present is None:
            return Values(self.kind, data)
        masks = [np.ones(len(one.data), np.bool_) if one.present is None else one.present for one in (self, more)]
        return Values(self.kind, data, np.concatenate(masks))

    def take(self, indexes: Integers) -> "Values":
        """The rows at `indexes`, in that order."""
        data = [self.data[index] for index in indexes.tolist()] if self.kind == "text" else self.data[indexes]
        return Values(self.kind, data, None if self.present is None else self.present[indexes])


class Layout:
    """The columns of one pass, in order, each with its kind. Values of another layout are never read as this one."""

    def __init__(self, meaning: Any, columns: Mapping[str, Kind]) -> None:
        self.columns = dict(columns)
        text = json.dumps([_LAYOUT, meaning, list(self.columns.items())], sort_keys=True, ensure_ascii=False)
        self.fingerprint = hashlib.sha256(text.encode()).digest()[:FINGERPRINT_BYTES]
        self._offset_positions = {name: _HEAD.size + index * _OFFSETS.size for index, name in enumerate(self.columns)}
        self.start = _HEAD.size + len(self.columns) * _OFFSETS.size  # of the blocks of a value

    def pack(self, rows: int, first: int, columns: Mapping[str, Values]) -> bytes:
        """The bytes of `rows` rows; `first` is the moment at which the key's first version was usable."""
        packed = bytearray(self.start)
        _HEAD.pack_into(packed, 0, self.fingerprint, rows, first)
        for name, kind in self.columns.items():
            values = columns[name]
            presence = 0
            if values.present is not None and not values.present.all():
                presence = _aligned(packed)
                packed += values.present.astype(np.uint8).tobytes()
            data = _aligned(packed)
            if kind == "text":
                packed += np.cumsum([len(text) for text in values.data], dtype=np.uint32).tobytes()
                packed += b"".join(values.data)
            else:
                packed += np.ascontiguousarray(values.data, NUMBERS[kind]).tobytes()
            _OFFSETS.pack_into(packed, self._offset_positions[name], presence, data)
        return bytes(packed)

    def append(self, data: bytes, rows: int, first: int, columns: Mapping[str, Values]) -> bytes:
        """The bytes of the rows of a value with `rows` more behind them. Raises FeatureError as `read` does."""
        stored = self.read(data)
        together = {name: stored.values(name).with_more(columns[name]) for name in self.columns}
        return self.pack(stored.rows + rows, min(first, stored.first) if stored.rows else first, together)

    def read(self, data: bytes) -> "StoredRows":
        """The rows of a value. Raises FeatureError for one of another layout."""
        if len(data) < self.start or data[:FINGERPRINT_BYTES] != self.fingerprint:
            raise other_layout()
        _, rows, first = _HEAD.unpack_from(data, 0)
        return StoredRows(self, data, rows, first)

    def offsets(self, data: bytes, name: str) -> tuple[int, int]:
        """Where the presence and the data of a column stand."""
        presence, data_offset = _OFFSETS.unpack_from(data, self._offset_positions[name])
        return presence, data_offset

    @cached_property
    def empty(self) -> "StoredRows":
        """No rows, as of a key that nobody has seen."""
        return self.read(self.empty_bytes)

    @cached_property
    def empty_bytes(self) -> bytes:
        """The bytes of no rows."""
        nothing = {
            name: Values(kind, [] if kind == "text" else np.empty(0, NUMBERS[kind]))
            for name, kind in self.columns.items()
        }
        return self.pack(0, 0, nothing)


class StoredRows:
    """The rows of one key, read column by column when they are asked for."""

    def __init__(self, layout: Layout, data: bytes, rows: int, first: int) -> None:
        self.layout, self.rows, self.first = layout, rows, first
        self._data = data

    def numbers(self, name: str) -> Any:
        """A column of numbers, 0 where it is null."""
        _, data_offset = self.layout.offsets(self._data, name)
        return np.frombuffer(self._data, NUMBERS[self.layout.columns[name]], self.rows, data_offset)

    def present(self, name: str) -> Mask | None:
        """Which rows have a value; None: all."""
        presence, _ = self.layout.offsets(self._data, name)
        return np.frombuffer(self._data, np.bool_, self.rows, presence) if presence else None

    def values(self, name: str) -> Values:
        """A column as it is stored."""
        kind = self.layout.columns[name]
        if kind == "text":
            return Values(kind, [self.text(name, index) for index in range(self.rows)], self.present(name))
        return Values(kind, self.numbers(name), self.present(name))

    def value(self, name: str, index: int, dtype: pl.DataType) -> Any:
        """One value as polars would give it to Python."""
        presence, data_offset = self.layout.offsets(self._data, name)
        if presence and not self._data[presence + index]:
            return None
        kind = self.layout.columns[name]
        if kind == "text":
            text = self.text(name, index).decode()
            return Decimal(text) if isinstance(dtype, pl.Decimal) else text
        (number,) = struct.unpack_from(_SCALAR_FORMAT[kind], self._data, data_offset + 8 * index)
        return number if kind == "fraction" else python_value(number, dtype)

    def text(self, name: str, index: int) -> bytes:
        """A text as UTF-8."""
        _, data_offset = self.layout.offsets(self._data, name)
        start = struct.unpack_from("<I", self._data, data_offset + 4 * (index - 1))[0] if index else 0
        end = struct.unpack_from("<I", self._data, data_offset + 4 * index)[0]
        base = data_offset + 4 * self.rows
        return self._data[base + start : base + end]


def other_layout() -> FeatureError:
    """What is raised for a value that does not have the layout that reads it."""
    return FeatureError(
        "A value of the online store has another layout than the features that read it.", remedy="Fill the store again."
    )


def python_value(number: Any, dtype: pl.DataType) -> Any:
    """A stored number as a value of its type.

    >>> python_value(1, pl.Boolean()), python_value(31, pl.Date())
    (True, datetime.date(1970, 2, 1))
    """
    if dtype == pl.Boolean:
        return bool(number)
    if dtype == pl.Date:
        return _EPOCH_DAY + timedelta(days=number)
    if isinstance(dtype, pl.Datetime):
        return _moment(number, dtype)
    return number


def key_bytes(values: Sequence[Any]) -> bytes | None:
    """A join key as bytes that are equal exactly where the key is; None where a part of it is null.

    >>> key_bytes(["JFK", 7])
    b'["JFK",7]'
    """
    if None in values:
        return None
    return f"[{','.join([_key_part(value) for value in values])}]".encode()


def _key_part(value: Any) -> str:
    """A value as JSON."""
    if isinstance(value, str):  # mostly, and the encoder is fastest with a bare one
        return _AS_TEXT(value)
    if isinstance(value, float):
        return _AS_TEXT(value + 0.0)  # -0.0 is 0.0
    if isinstance(value, datetime):
        return _AS_TEXT(since_epoch(value if value.tzinfo else value.replace(tzinfo=UTC)))  # a naive one: UTC (S1)
    return _AS_TEXT(value if isinstance(value, int) else str(value))


def _moment(number: int, dtype: pl.Datetime) -> datetime:
    moment = EPOCH + timedelta(microseconds=number)
    if dtype.time_zone is None:
        return moment.replace(tzinfo=None)
    if dtype.time_zone == "UTC":
        return moment
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(dtype.time_zone))


def _aligned(packed: bytearray) -> int:
    """Fill up to a multiple of 8, and give the length."""
    packed += bytes(-len(packed) % 8)
    return len(packed)
