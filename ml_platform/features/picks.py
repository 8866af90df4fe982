"""Features that take one row of a table with time (S10, S11): what they share online."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from ml_platform.features.feeds import Entry, Feed, Key, Keys, News
from ml_platform.features.forms import TableForm, Word
from ml_platform.features.ranked import RankedForm
from ml_platform.features.timelines import PickTimeline
from ml_platform.validation.version_order import PATH, ROW

_SECOND = 1e6  # microseconds


class TimelineAnswer(Protocol):
    """What is answered from the rows of one key, in the order of S10."""

    def answer(self, timeline: PickTimeline, at: int) -> dict[str, Any]:
        """Outputs and status of one example, from the rows of its key that count now."""


class PickForm(RankedForm[Word]):
    """A ranked form of a table with time."""

    @abstractmethod
    def answer(self, timeline: PickTimeline, at: int) -> dict[str, Any]:
        """Outputs and status of one example, from the rows of its key that count now."""

    @classmethod
    def feed(cls, forms: Sequence[Any], table: TableForm, keys: Keys) -> Feed:
        return PickFeed(forms, frozenset().union(*(form.columns for form in forms)), table, keys)


def seconds_since(clock: pl.Series, at: pl.Series) -> pl.Series:
    """From `clock` to `at`, both in microseconds; null where there is no clock."""
    # In numpy: polars divides by a constant through its reciprocal.
    seconds = pl.Series((at - clock.fill_null(0)).to_numpy() / _SECOND)
    return pl.select(pl.when(clock.is_not_null()).then(seconds)).to_series()


def seconds_since_latest(timeline: PickTimeline, at: int) -> float | None:
    """`seconds_since` of the latest row at `at`; None without one."""
    latest = timeline.latest(at)
    return None if latest is None else (at - latest[0]) / _SECOND


@dataclass(eq=False)
class _PickEntry:
    timeline: PickTimeline
    order: tuple[Any, ...]
    values: dict[str, Any]

    def insert(self) -> None:
        self.timeline.add(self.order, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.order)


class PickFeed:
    """The rows of a table with time, by key, with the values of `columns`, and what is answered from them."""

    def __init__(
        self, answers: Sequence[TimelineAnswer], columns: Collection[str], table: TableForm, keys: Keys
    ) -> None:
        self._answers, self._keys = answers, keys
        self._key, self._event = table.key or (PATH, ROW), table.event_time or ""
        self._columns = sorted(columns)
        self._timelines: dict[Key, PickTimeline] = {}
        self._empty = PickTimeline()

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        key = self._keys.of_row(row)
        if key is None:
            return []
        timeline = self._timelines.setdefault(key, PickTimeline())
        times = (moments[self._event], moments["_known_at"], moments["_arrival"])
        order = (*times, *(row[name] for name in self._key), *mark)
        return [_PickEntry(timeline, order, {name: row[name] for name in self._columns})]

    def insert_many(self, news: News) -> None:
        frame = news.frame
        times = [news.moments[name].to_list() for name in (self._event, "_known_at", "_arrival")]
        keys = [frame[name].to_list() for name in self._key]
        orders = [(*order, *mark) for order, mark in zip(zip(*times, *keys, strict=True), news.marks, strict=True)]
        values = frame.select(self._columns).to_dicts() if self._columns else [{}] * frame.height
        kept = frame.select(*self._keys.by, _index=pl.int_range(pl.len()))
        for key, indexes in news.by_key(self._keys, kept, ["_index"]):
            timeline = self._timelines.setdefault(key, PickTimeline())
            timeline.extend([(orders[index], values[index]) for index in indexes])

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        timeline = self._empty if key is None else self._timelines.get(key, self._empty)
        outputs: dict[str, Any] = {}
        for each in self._answers:
            outputs |= each.answer(timeline, at)
        return outputs
