"""How Latest, Since and Lookup keep rows online and answer from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.features.definition import TableForm
from ml_platform.features.feeds import Entry, Key, Keys, News
from ml_platform.features.forms import JoinedForm, LatestForm, LookupForm, SinceForm
from ml_platform.features.places import NEVER
from ml_platform.features.relations import microseconds_of
from ml_platform.features.timelines import PickTimeline

_SECOND = 1e6  # microseconds


@dataclass(eq=False)
class _PickEntry:
    timeline: PickTimeline
    order: tuple[Any, ...]
    values: dict[str, Any]

    def place(self) -> None:
        self.timeline.add(self.order, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.order)


class PickFeed:
    """Latest and Since over the same rows (S10, S11)."""

    def __init__(self, forms: list[JoinedForm], table: TableForm, keys: Keys) -> None:
        self._forms, self._keys = forms, keys
        self._key, self._event = table.key, table.event_time or ""
        self._take = sorted({column for form in forms for column in getattr(form, "take", ())})
        self._timelines: dict[Key, PickTimeline] = {}
        self._empty = PickTimeline()

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """As Feed says."""
        key = self._keys.of_row(row)
        if key is None:
            return []
        timeline = self._timelines.setdefault(key, PickTimeline())
        times = (moments[self._event], moments["_known_at"], moments["_arrival"])
        order = (*times, *(row[name] for name in self._key), *mark)
        return [_PickEntry(timeline, order, {name: row[name] for name in self._take})]

    def place_many(self, news: News) -> None:
        """As Feed says."""
        frame = news.frame
        times = [news.moments[name].to_list() for name in (self._event, "_known_at", "_arrival")]
        keys = [frame[name].to_list() for name in self._key]
        orders = [(*order, *mark) for order, mark in zip(zip(*times, *keys, strict=True), news.marks, strict=True)]
        values = frame.select(self._take).to_dicts() if self._take else [{}] * frame.height
        kept = frame.select(*self._keys.by, _place=pl.int_range(pl.len()))
        for key, places in news.by_key(self._keys, kept, ["_place"]):
            timeline = self._timelines.setdefault(key, PickTimeline())
            timeline.extend([(orders[place], values[place]) for place in places])

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """As Feed says."""
        timeline = self._empty if key is None else self._timelines.get(key, self._empty)
        found: dict[str, Any] = {}
        for form in self._forms:
            if isinstance(form, SinceForm):
                last = timeline.latest(at)
                found[form.outputs[0]] = None if last is None else (at - last[0]) / _SECOND
            elif isinstance(form, LatestForm):
                last = timeline.latest(at - form.offset)
                if last is None:
                    status = "unknown"
                else:
                    age = at - form.offset - last[0]
                    status = "stale" if form.max_age is not None and age > form.max_age else "ok"
                values = last[1] if last is not None and status == "ok" else {}
                found.update(zip(form.outputs, (values.get(name) for name in form.take), strict=True))
                found[form.status] = status
        return found


@dataclass(eq=False)
class _Version:
    mark: Any
    usable: int
    until: int
    order: tuple[Any, ...]
    values: dict[str, Any]


class LookupFeed:
    """Versions of rows without time (S12). They may be learnt ahead: the first stands for the time before it."""

    def __init__(self, forms: list[LookupForm]) -> None:
        self._forms, self._on = forms, [theirs for _, theirs in forms[0].on]
        self.table = forms[0].table
        self._take = sorted({column for form in forms for column in form.take})
        self._versions: dict[Key, list[_Version]] = {}
        self._current: dict[Any, _Version] = {}

    def learn(self, table: TableForm, row: Mapping[str, Any], identity: Any, mark: Any) -> None:
        """Take in a version, or its end, as OnlineState.learn does."""
        held = self._current.get(identity)
        if row["_superseded_at"] is not None:
            if held is not None and held.mark == mark:
                held.until = microseconds_of(row["_superseded_at"])
                del self._current[identity]
            return
        usable = microseconds_of(row["_usable_at"])
        if held is not None:
            held.until = usable
        order = (microseconds_of(row["_arrival"]), *(row[name] for name in table.key), *mark)
        version = _Version(mark, usable, NEVER, order, {name: row[name] for name in self._take})
        self._current[identity] = version
        key = tuple([row[theirs] for theirs in self._on])
        if None not in key:
            self._versions.setdefault(key, []).append(version)

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """As Feed says."""
        versions = self._versions.get(key, []) if key is not None else []
        first = min((version.usable for version in versions), default=at)
        moment = max(at, first)
        seen = [version for version in versions if version.usable <= moment < version.until]
        chosen = max(seen, key=lambda version: version.order, default=None)
        status = "unknown" if chosen is None else "assumed" if at < first else "ok"
        values = chosen.values if chosen is not None else {}
        found: dict[str, Any] = {}
        for form in self._forms:
            found.update(zip(form.outputs, (values.get(name) for name in form.take), strict=True))
            found[form.status] = status
        return found
