"""The online state: learns rows one at a time and answers what the batch would, bit for bit."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition, TableForm
from ml_platform.features.derived import OneRow
from ml_platform.features.feeds import Entry, Feed, LookupFeed, PickFeed, WindowFeed
from ml_platform.features.forms import JoinedForm, LookupForm, On, SinceForm, WindowForm
from ml_platform.features.relations import TIMELESS, microseconds_of


class OnlineState:
    """The features of one definition, as of what was learnt. Not safe for threads.

    Rows are learnt in order of knowledge; what became known at the same microsecond as the last
    row counts only for later examples (S4), so an answer never depends on when it is asked.
    """

    def __init__(self, definition: FeatureDefinition) -> None:
        self.definition = definition
        self.learnt: int | None = None  # the moment of the newest knowledge
        self._began: dict[str, int] = {}
        self._feeds: list[tuple[On, Feed]] = []
        self._of_table: dict[str, list[Feed]] = {name: [] for name in definition.tables}
        self._lookups: list[tuple[On, LookupFeed]] = []
        self._current: dict[tuple[str, Any], tuple[Any, list[Entry]]] = {}
        self._newest: list[tuple[list[Entry], list[Entry]]] = []  # (withdrawn, placed) at `learnt`
        self._settled = False  # whether `_newest` stands in the timelines
        self._make_feeds()
        joins = {own for form in definition.joined for own, _ in form.on}
        early = [form for form in definition.derived if form.early]
        if not joins & {form.name for form in early}:
            early = []
        self._before = OneRow(early, definition.schema)
        self._after = OneRow([form for form in definition.derived if form not in early], definition.schema)

    def begin(self, table: str, moment: datetime | None) -> None:
        """Say when the first row of `table` became usable, where that row is not learnt (S14)."""
        if moment is not None:
            self._begin(table, microseconds_of(moment))

    def learn(self, table: str, row: Mapping[str, Any]) -> None:
        """Take in a row of the validated layout.

        A row without `_superseded_at` is a new version: it replaces the one with its key from its
        `_usable_at` on. A row with it says that this very version ends then: it was dropped.
        """
        form = self.definition.tables[table]
        usable = row["_usable_at"]
        if usable is None:
            return
        mark = (row["_file"], row["_row"])
        identity = (table, tuple(row[name] for name in form.key) or mark)
        if not form.timed:
            for _, feed in self._lookups:
                if feed.table == table:
                    feed.learn(form, row, identity, mark)
            return
        held = self._current.get(identity)
        if row["_superseded_at"] is not None:
            if held is not None and held[0] == mark:
                del self._current[identity]
                self._tell(microseconds_of(row["_superseded_at"]), held[1], [])
            return
        moment = microseconds_of(usable)
        times = {name: row[name] for name in ("_known_at", "_arrival", form.event_time or "")}
        moments = {name: moment if time is usable else microseconds_of(time) for name, time in times.items()}
        self._begin(table, moment)
        placed = [entry for feed in self._of_table[table] for entry in feed.entries(row, moments, mark)]
        self._current[identity] = (mark, placed)
        self._tell(moment, held[1] if held else [], placed)

    def features(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs and statuses for an example's own columns, whose `at` is not before what was learnt.

        Raises FeatureError for an earlier `at`: the state does not know what it knew then.
        """
        definition = self.definition
        at = microseconds_of(example[definition.at]) if definition.at else TIMELESS
        if self.learnt is not None:
            if at < self.learnt:
                raise FeatureError(
                    f"{definition.at}={example[definition.at or '']} is before what was learnt.",
                    remedy="Ask in order of time, or compute in batch.",
                )
            self._settle(at > self.learnt)
        row = {name: example[name] for name in definition.row_schema}
        row |= self._before.of(row)
        found: dict[str, Any] = {}
        feeds: list[tuple[On, Feed | LookupFeed]] = [*self._feeds, *self._lookups]
        for on, feed in feeds:
            key = tuple(row[own] for own, _ in on)
            found.update(feed.answer(None if None in key else key, at))
        for form in definition.joined:
            if isinstance(form, WindowForm | SinceForm) and at <= self._began.get(form.table, TIMELESS):
                found.update(dict.fromkeys(form.outputs))
        row |= found
        row |= self._after.of(row)
        return {name: row[name] for name in (*definition.outputs, *definition.status_columns)}

    # -- what stands when ------------------------------------------------------------------

    def _begin(self, table: str, moment: int) -> None:
        self._began[table] = min(moment, self._began.get(table, moment))

    def _tell(self, moment: int, withdrawn: list[Entry], placed: list[Entry]) -> None:
        if self.learnt is None or moment > self.learnt:
            self._settle(True)
            self._newest, self._settled, self.learnt = [], False, moment
        if moment < self.learnt:
            fresh = {id(entry) for _, entries in self._newest for entry in entries}
            if not any(id(entry) in fresh for entry in withdrawn):
                _apply(withdrawn, placed)  # late news: nothing that may be asked lies before it
                return
        self._newest.append((withdrawn, placed))
        if self._settled:
            _apply(withdrawn, placed)

    def _settle(self, wanted: bool) -> None:
        """Put the newest knowledge into the timelines, or take it out for an `at` that equals it."""
        if wanted and not self._settled:
            for withdrawn, placed in self._newest:
                _apply(withdrawn, placed)
        if not wanted and self._settled:
            for withdrawn, placed in reversed(self._newest):
                _apply(placed, withdrawn)
        self._settled = wanted

    # -- parts ---------------------------------------------------------------------------

    def _make_feeds(self) -> None:
        passes: dict[Any, list[JoinedForm]] = {}
        for form in self.definition.joined:
            kind: Any = "pick"
            if isinstance(form, WindowForm):
                kind = (form.clock, repr(form.where))
            elif isinstance(form, LookupForm):
                kind = "lookup"
            passes.setdefault((form.table, form.on, kind), []).append(form)
        for (name, on, kind), forms in passes.items():
            if kind == "lookup":
                self._lookups.append((on, LookupFeed([f for f in forms if isinstance(f, LookupForm)])))
                continue
            table: TableForm = self.definition.tables[name]
            windows = [form for form in forms if isinstance(form, WindowForm)]
            feed: Feed = WindowFeed(windows, table) if windows else PickFeed(forms, table)
            self._feeds.append((on, feed))
            self._of_table[name].append(feed)


def _apply(withdrawn: Iterable[Entry], placed: Iterable[Entry]) -> None:
    for entry in withdrawn:
        entry.withdraw()
    for entry in placed:
        entry.place()
