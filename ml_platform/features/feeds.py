"""What the online state asks of its feeds: each keeps the rows of one join, and answers from them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, Protocol

import polars as pl

from ml_platform.features.forms import On, TableForm

Key = tuple[Any, ...]


class Entry(Protocol):
    """A row in one timeline, to be inserted there or withdrawn."""

    def insert(self) -> None:
        """Let the row count."""

    def withdraw(self) -> None:
        """Let it count no more."""


@dataclass(frozen=True)
class News:
    """Rows that begin, in the validated layout: their times in microseconds by column, and each row's mark."""

    frame: pl.DataFrame
    moments: Mapping[str, pl.Series]
    marks: list[Any]

    def where(self, mask: pl.Series) -> "News":
        """The rows for which `mask` is true."""
        moments = {name: times.filter(mask) for name, times in self.moments.items()}
        return News(self.frame.filter(mask), moments, list(compress(self.marks, mask)))

    def by_key(self, keys: "Keys", kept: pl.DataFrame, order: list[str]) -> Iterator[tuple[Key, list[int]]]:
        """The rows of `kept` (which has `_index`) of each wanted key: the key, and the indexes in `order`."""
        by = keys.by
        listed = keys.wanted(kept).sort([*by, *order], maintain_order=True)
        indexes = listed["_index"].to_list()
        if not by:
            yield from [((), indexes)] if indexes else []
            return
        start = 0
        for *key, count in listed.group_by(by, maintain_order=True).len(name="_len").iter_rows():
            yield tuple(key), indexes[start : start + count]
            start += count


class Keys:
    """The table columns that a feed is joined by, and the keys that are asked for (None: all)."""

    def __init__(self, by: list[str], asked: pl.DataFrame | None) -> None:
        self.by = by
        self._asked = asked
        self._set = set(asked.iter_rows()) if asked is not None else None

    @classmethod
    def of(cls, examples: pl.DataFrame | None, on: On) -> "Keys":
        """The keys of some examples, under the table's names; all without examples."""
        by = [theirs for _, theirs in on]
        if examples is None or not on:
            return cls(by, None)
        return cls(by, examples.select(pl.col(own).alias(theirs) for own, theirs in on).drop_nulls().unique())

    def of_row(self, row: Mapping[str, Any]) -> Key | None:
        """The key of a row; None when a part of it is null or nobody asks for it."""
        key = tuple([row[name] for name in self.by])
        return None if None in key or (self._set is not None and key not in self._set) else key

    def wanted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key is whole and asked for."""
        whole = frame.drop_nulls(self.by) if self.by else frame
        return whole if self._asked is None else whole.join(self._asked, on=self.by, how="semi")


class Feed(Protocol):
    """The timelines of one join, by key."""

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """Where the row belongs. `moments` are its times in microseconds; `mark` tells it from others."""

    def insert_many(self, news: News) -> None:
        """Let many rows count, as inserting the entries of each does."""

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """The outputs for an example with this key; None: a part of the key is null."""


class VersionFeed(ABC):
    """The versions of rows without time, by key. They may be learnt ahead: each answers from its own times."""

    @abstractmethod
    def learn(self, table: TableForm, row: Mapping[str, Any], identity: Any, mark: Any) -> None:
        """Take in a version, or its end. `identity` is the row's key, `mark` tells the version from others."""

    @abstractmethod
    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """Outputs and status of one example; `key` None joins nothing."""
