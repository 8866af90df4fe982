"""The stored rows of many keys at once, as columns: what one request of many rows reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.online.rows import Layout, StoredRows
from ml_platform.features.places import Places


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

    Args:
        layout: Of all of them.
        stored: By group, the rows of its key.
    """

    def __init__(self, layout: Layout, stored: Sequence[StoredRows]) -> None:
        self.layout, self._stored = layout, stored
        self.counts = np.array([rows.rows for rows in stored], np.int64)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        self.count = int(self.starts[-1])

    @cached_property
    def group(self) -> Integers:
        """The group of each row."""
        return np.repeat(np.arange(len(self._stored)), self.counts)

    @cached_property
    def first(self) -> Integers:
        """By row, when the first version of its key was usable."""
        return np.repeat(np.array([rows.first for rows in self._stored], np.int64), self.counts)

    def numbers(self, name: str) -> Any:
        """A column of numbers, 0 where it is null."""
        return np.concatenate([rows.numbers(name) for rows in self._stored]) if self._stored else np.empty(0, np.int64)

    def present(self, name: str) -> Mask | None:
        """Which rows have a value; None: all."""
        masks = [rows.present(name) for rows in self._stored]
        if all(mask is None for mask in masks):
            return None
        pairs = zip(self._stored, masks, strict=True)
        return np.concatenate([np.ones(rows.rows, np.bool_) if mask is None else mask for rows, mask in pairs])

    def texts(self, name: str, indexes: Integers) -> list[str | None]:
        """A column of texts at rows; None for a null."""
        groups = np.searchsorted(self.starts, indexes, side="right") - 1
        within = indexes - self.starts[groups]
        present = self.present(name)
        texts = [
            self._stored[group].text(name, index).decode()
            for group, index in zip(groups.tolist(), within.tolist(), strict=True)
        ]
        if present is None:
            return list(texts)
        return [text if kept else None for text, kept in zip(texts, present[indexes].tolist(), strict=True)]

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
        rows, row_of = np.unique(indexes, return_inverse=True)
        absent = bool(len(rows)) and rows[0] < 0
        chosen = rows[1:] if absent else rows
        frame = pl.DataFrame(
            {"_clock": pl.Series(clock[chosen], dtype=pl.Int64)}
            | {name: self.column(f"take {name}", chosen, dtype) for name, dtype in columns.items()}
        )
        if absent:
            frame = pl.concat([frame.clear(1), frame])
        return frame.select(pl.all().gather(pl.Series(row_of, dtype=pl.UInt32)))


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
