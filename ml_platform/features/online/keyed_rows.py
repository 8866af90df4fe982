"""The stored rows of many keys at once, as columns: what one request of many rows reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.online.rows import NUMBERS, Layout, other_layout
from ml_platform.features.places import Places

_WORD, _HALF = 8, 4  # bytes
_HEAD_WORDS = 3  # of a value, before the offsets of its columns: fingerprint, rows and first
_LOW = (1 << 32) - 1


@dataclass
class ManyAnswers:
    """What a pass answers for many examples, in their order: as `Answers`, with columns for values.

    An age is null where there is no row.
    """

    values: dict[str, pl.Series] = field(default_factory=dict)
    ages: dict[str, pl.Series] = field(default_factory=dict)


@dataclass(frozen=True)
class ManyAsked:
    """Many examples of one pass: the join key of each as a group, its place, and its `at` in microseconds."""

    places: Places
    at: Integers


class KeyedRows:
    """The rows of several keys one after the other, in the order of the keys and within a key as they are stored.

    All values stand in one run of bytes, so that a column is gathered at once: a key costs no Python.

    Args:
        layout: Of all of them.
        values: By group, what the store has of its key; None: nothing.

    Raises:
        FeatureError: For a value of another layout.
    """

    def __init__(self, layout: Layout, values: Sequence[bytes | None]) -> None:
        self.layout = layout
        self._names = {name: number for number, name in enumerate(layout.columns)}
        stored = [layout.empty_bytes if value is None else value for value in values]
        sizes = np.fromiter(map(len, stored), np.int64, len(stored))
        if (sizes < layout.start).any():
            raise other_layout()
        padding = -sizes % _WORD
        for group in np.flatnonzero(padding).tolist():  # such as those that end with texts
            stored[group] += bytes(int(padding[group]))
        self._bytes = b"".join(stored)
        self._bases = np.cumsum(sizes + padding) - (sizes + padding)
        self._ends = self._bases + sizes
        words = np.frombuffer(self._bytes, np.int64)
        heads = words[self._bases[:, None] // _WORD + np.arange(layout.start // _WORD)]
        if (heads[:, 0] != np.frombuffer(layout.fingerprint, np.int64)).any():
            raise other_layout()
        self.counts = heads[:, 1] & _LOW
        self._firsts, self._offsets = heads[:, 2], heads[:, _HEAD_WORDS:]
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        self.count = int(self.starts[-1])
        self._within = np.arange(self.count) - np.repeat(self.starts[:-1], self.counts)

    @cached_property
    def group(self) -> Integers:
        """The group of each row."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def first(self) -> Integers:
        """By row, when the first version of its key was usable."""
        return np.repeat(self._firsts, self.counts)

    def numbers(self, name: str) -> Any:
        """A column of numbers, 0 where it is null."""
        positions = self._checked(self._bases + (self._offsets[:, self._names[name]] >> 32), _WORD) // _WORD
        numbers = np.frombuffer(self._bytes, NUMBERS[self.layout.columns[name]])
        return numbers[np.repeat(positions, self.counts) + self._within]

    def present(self, name: str) -> Mask | None:
        """Which rows have a value; None: all."""
        offsets = self._offsets[:, self._names[name]] & _LOW
        if not offsets.any():
            return None
        of_group = self._checked(self._bases + offsets, 1)
        marked = np.repeat(offsets > 0, self.counts)
        present = np.ones(self.count, np.bool_)
        at = (np.repeat(of_group, self.counts) + self._within)[marked]
        present[marked] = np.frombuffer(self._bytes, np.bool_)[at]
        return present

    def texts(self, name: str, indexes: Integers) -> list[str | None]:
        """A column of texts at rows; None for a null."""
        group, within = self.group[indexes], self._within[indexes]
        positions = self._checked(self._bases + (self._offsets[:, self._names[name]] >> 32), _HALF)
        ends = np.frombuffer(self._bytes, np.uint32)
        last = positions[group] // _HALF + within
        base = positions[group] + _HALF * self.counts[group]
        begin = np.where(within > 0, ends[np.maximum(last - 1, 0)], 0) + base
        end = ends[last] + base
        if (end > self._ends[group]).any():
            raise other_layout()
        spans = zip(begin.tolist(), end.tolist(), strict=True)
        texts = [self._bytes[first:after].decode() for first, after in spans]
        present = self.present(name)
        if present is None:
            return list(texts)
        return [text if kept else None for text, kept in zip(texts, present[indexes].tolist(), strict=True)]

    def _checked(self, positions: Integers, size: int) -> Integers:
        """Where the block of a column begins in each value, which has room for its rows of `size` bytes."""
        if (positions + size * self.counts > self._ends).any():
            raise other_layout()
        return positions

    def column(self, name: str, indexes: Integers, dtype: pl.DataType) -> pl.Series:
        """A column at rows, as values of its type."""
        if self.layout.columns[name] == "text":
            texts = self.texts(name, indexes)
            if isinstance(dtype, pl.Decimal):
                return pl.Series([None if text is None else Decimal(text) for text in texts], dtype=dtype)
            return pl.Series(texts, dtype=dtype)
        series, present = pl.Series(self.numbers(name)[indexes]), self.present(name)
        if present is not None:
            series = pl.select(pl.when(pl.Series(present[indexes])).then(series)).to_series()
        return _of_type(series, dtype)

    def picked(self, indexes: Integers, clock: Integers, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """`_clock` and the columns `take …` of the row that each example takes, by name; nulls for the index -1."""
        is_chosen = np.zeros(self.count + 1, np.bool_)
        is_chosen[indexes] = True  # the last one stands for -1
        chosen = np.flatnonzero(is_chosen[:-1])
        row_of = np.cumsum(is_chosen) - 1
        frame = pl.DataFrame(
            {"_clock": pl.Series(clock[chosen], dtype=pl.Int64)}
            | {name: self.column(f"take {name}", chosen, dtype) for name, dtype in columns.items()}
        )
        if is_chosen[-1]:
            frame = pl.concat([frame, frame.clear(1)])
        return frame.select(pl.all().gather(pl.Series(row_of[indexes], dtype=pl.UInt32)))


def _of_type(series: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Stored numbers as values of their type."""
    if dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Date)
    if isinstance(dtype, pl.Datetime):
        moments = series.cast(pl.Datetime("us"))
        if dtype.time_zone is not None:
            moments = moments.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
        return moments.cast(dtype)
    return series.cast(dtype)
