"""How each kind of feature keeps rows online and answers from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from ml_platform.features.arithmetic import NUMERIC, finite, mean_of, std_of, sum_of, unit
from ml_platform.features.definition import TableForm
from ml_platform.features.derived import HOLDS, condition, derive
from ml_platform.features.forms import JoinedForm, LatestForm, LookupForm, SinceForm, WindowForm
from ml_platform.features.places import NEVER
from ml_platform.features.relations import microseconds_of
from ml_platform.features.timelines import PickTimeline, WindowTimeline
from ml_platform.spec.expressions import columns_read

_SECOND = 1e6  # microseconds
Key = tuple[Any, ...]


class Entry(Protocol):
    """A row in one timeline, to be placed there or withdrawn."""

    def place(self) -> None:
        """Let the row count."""

    def withdraw(self) -> None:
        """Let it count no more."""


class Feed(Protocol):
    """The timelines of one join, by key."""

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """Where the row belongs. `moments` are its times in microseconds; `mark` tells it from others."""

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """The outputs for an example with this key; None: a part of the key is null."""


@dataclass(eq=False)
class _WindowEntry:
    timeline: WindowTimeline
    clock: int
    mark: Any
    values: dict[Any, tuple[int, float] | None]

    def place(self) -> None:
        self.timeline.add(self.clock, self.mark, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.clock, self.mark)


@dataclass(eq=False)
class _PickEntry:
    timeline: PickTimeline
    order: tuple[Any, ...]
    values: dict[str, Any]

    def place(self) -> None:
        self.timeline.add(self.order, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.order)


class WindowFeed:
    """Windows over the same rows: one table, join, clock and condition (S9)."""

    def __init__(self, forms: list[WindowForm], table: TableForm) -> None:
        head = forms[0]
        self._forms, self._by = forms, [theirs for _, theirs in head.on]
        self._clock = "_known_at" if head.clock == "known_at" else table.event_time or ""
        self._where = condition(head.where) if head.where else None
        self._read = {name: table.columns[name] for name in sorted(columns_read(head.where) if head.where else ())}
        self._columns: dict[tuple[str | None, float], frozenset[str]] = {}
        for form in forms:
            cell = (form.of, form.resolution)
            self._columns[cell] = self._columns.get(cell, frozenset()) | set(form.aggregates)
        # Whether a cell's values are numbers, and whether they are summed.
        self._kinds = {
            cell: (bool(wanted & NUMERIC), bool(wanted & NUMERIC - {"min", "max"}))
            for cell, wanted in self._columns.items()
        }
        self._told = {form.of: f"Window({form.table!r}, of={form.of!r})" for form in forms}
        self._named = [(form, form.named()) for form in forms]
        self._timelines: dict[Key, WindowTimeline] = {}
        self._empty = WindowTimeline(self._columns)

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """As Feed says; none for a row that `where=` leaves out."""
        key = tuple([row[theirs] for theirs in self._by])
        if None in key or not self._holds(row):
            return []
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._timelines[key] = WindowTimeline(self._columns)
        values = {cell: self._value(row, *cell, *kind) for cell, kind in self._kinds.items()}
        return [_WindowEntry(timeline, moments[self._clock], mark, values)]

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """As Feed says."""
        timeline = self._empty if key is None else self._timelines.get(key, self._empty)
        found: dict[str, Any] = {}
        for form, named in self._named:
            column = timeline.columns[form.of, form.resolution]
            stretch, sums = (0, 0), (0, 0, 0)
            span = None
            for output, aggregate, width in named:
                if width != span:
                    span = width
                    stretch = timeline.stretch(at - width, at)
                    sums = column.sums(*stretch)
                n, s, r = sums
                match aggregate:
                    case "count":
                        found[output] = n
                    case "sum":
                        found[output] = sum_of(s, form.resolution)
                    case "mean":
                        found[output] = mean_of(n, s, form.resolution)
                    case "std":
                        found[output] = std_of(n, s, r, form.resolution)
                    case _:
                        found[output] = column.extreme(aggregate, *stretch) if n else None
        return found

    def _holds(self, row: Mapping[str, Any]) -> bool:
        if self._where is None:
            return True
        frame = pl.DataFrame({name: [row[name]] for name in self._read}, schema=self._read)
        return derive(frame, self._where)[HOLDS][0] is True

    def _value(
        self, row: Mapping[str, Any], of: str | None, resolution: float, numeric: bool, summed: bool
    ) -> tuple[int, float] | None:
        value = row[of] if of is not None else 0.0
        if value is None:
            return None
        if not numeric:
            return 0, 0.0
        where, number = self._told[of], float(value)
        return unit(number, resolution, where) if summed else 0, finite(number, where)


class PickFeed:
    """Latest and Since over the same rows (S10, S11)."""

    def __init__(self, forms: list[JoinedForm], table: TableForm) -> None:
        self._forms, self._on = forms, [theirs for _, theirs in forms[0].on]
        self._key, self._event = table.key, table.event_time or ""
        self._take = sorted({column for form in forms for column in getattr(form, "take", ())})
        self._timelines: dict[Key, PickTimeline] = {}
        self._empty = PickTimeline()

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """As Feed says."""
        key = tuple([row[theirs] for theirs in self._on])
        if None in key:
            return []
        timeline = self._timelines.setdefault(key, PickTimeline())
        times = (moments[self._event], moments["_known_at"], moments["_arrival"])
        order = (*times, *(row[name] for name in self._key), *mark)
        return [_PickEntry(timeline, order, {name: row[name] for name in self._take})]

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
