"""The online state: it learns rows one at a time and gives the same bits as the batch."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import compress, repeat
from typing import Any

import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.feeds import Entry, Feed, Keys, News, VersionFeed
from ml_platform.features.forms import On, passes
from ml_platform.features.kinds.derived import OneRow
from ml_platform.features.relations import TIMELESS
from ml_platform.spec.durations import since_epoch

# A row that counts: its mark and entries; of one that came with many, the frame and its index there instead.
_CountingRow = tuple[Any, list[Entry] | None, pl.DataFrame | None, int]


class OnlineState:
    """The features of one definition, as of the rows learnt so far. Not safe for threads.

    Rows are learnt in order of knowledge; what became known at the same microsecond as the last
    row counts only for later examples (S4), so an answer never depends on when it is asked.

    With `only`, a frame that has the join columns, the state serves examples with these keys alone and
    keeps no other rows.
    """

    def __init__(self, definition: FeatureDefinition, only: pl.DataFrame | None = None) -> None:
        self.definition = definition
        self.learnt: int | None = None  # the moment of the newest knowledge
        self._began: dict[str, int] = {}
        self._feeds: list[tuple[On, Feed | VersionFeed]] = []
        self._of_table: dict[str, list[Feed]] = {name: [] for name in definition.tables}
        self._versions_of: dict[str, list[VersionFeed]] = {name: [] for name in definition.tables}
        self._current: dict[tuple[str, Any], _CountingRow] = {}
        self._newest: list[tuple[list[Entry], list[Entry]]] = []  # (withdrawn, placed) at `learnt`
        self._settled = False  # whether `_newest` stands in the timelines
        self._make_feeds(only)
        joins = {own for form in definition.joined for own, _ in form.on}
        early = [form for form in definition.derived if form.early]
        if not joins & {form.name for form in early}:
            early = []
        self._before = OneRow(early, definition.schema)
        self._after = OneRow([form for form in definition.derived if form not in early], definition.schema)

    def begin(self, table: str, moment: datetime | None) -> None:
        """Say when the first row of `table` became usable, where that row is not learnt (S14)."""
        if moment is not None:
            self._begin(table, since_epoch(moment))

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
            for versions in self._versions_of[table]:
                versions.learn(form, row, identity, mark)
            return
        previous = self._current.get(identity)
        if row["_superseded_at"] is not None:
            if previous is not None and previous[0] == mark:
                del self._current[identity]
                self._tell(since_epoch(row["_superseded_at"]), self._entries(table, previous), [])
            return
        moment = since_epoch(usable)
        self._begin(table, moment)
        placed = self._new_entries(table, row, mark)
        self._current[identity] = (mark, placed, None, 0)
        self._tell(moment, self._entries(table, previous) if previous else [], placed)

    def learn_many(self, table: str, rows: pl.DataFrame) -> None:
        """Take in rows in order of knowledge, with the outcome of `learn` for each, at a tenth of its price.

        Corrections, ends and what came with the newest moment go through `learn`.
        """
        identities = self._identities(table, rows)
        plain = self._plain(table, rows, identities)
        if plain.any():
            self._learn_plain(table, rows.filter(plain), compress(identities, plain))
        for row in rows.filter(~plain).iter_rows(named=True):
            self.learn(table, row)

    def _plain(self, table: str, rows: pl.DataFrame, identities: list[tuple[str, Any]]) -> pl.Series:
        """Which of the rows just begin: nothing is known of their key, and something newer comes after them."""
        begins = rows["_superseded_at"].is_null() & rows["_usable_at"].is_not_null()
        newest: Any = rows["_usable_at"].filter(begins).dt.epoch("us").max()
        if newest is None or not self.definition.tables[table].timed:
            return pl.Series([False] * rows.height, dtype=pl.Boolean)
        earlier = rows["_usable_at"].dt.epoch("us") != max(newest, self.learnt or newest)
        times = Counter(identities)
        current = self._current
        alone = pl.Series([times[one] == 1 and one not in current for one in identities], dtype=pl.Boolean)
        plain: pl.Series = begins & earlier.fill_null(False) & alone
        return plain

    def _learn_plain(self, table: str, rows: pl.DataFrame, identities: Iterable[tuple[str, Any]]) -> None:
        marks = list(rows.select("_file", "_row").iter_rows())
        times = ("_known_at", "_arrival", self.definition.tables[table].event_time or "")
        news = News(rows, {name: rows[name].dt.epoch("us") for name in times}, marks)
        for feed in self._of_table[table]:
            feed.insert_many(news)
        counting = zip(marks, repeat(None), repeat(rows), range(rows.height), strict=False)
        self._current.update(zip(identities, counting, strict=True))
        self.begin(table, rows["_usable_at"].min())  # type: ignore[arg-type]  # of a column of moments it is one

    def _identities(self, table: str, rows: pl.DataFrame) -> list[tuple[str, Any]]:
        key = self.definition.tables[table].key or ("_file", "_row")
        return [(table, one) for one in rows.select(key).iter_rows()]

    def features(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs and statuses for an example's own columns, whose `at` is not before the newest row learnt.

        Raises FeatureError for an earlier `at`: the state keeps no past versions of itself.
        """
        definition = self.definition
        at = since_epoch(example[definition.at]) if definition.at else TIMELESS
        if self.learnt is not None:
            if at < self.learnt:
                raise FeatureError(
                    f"{definition.at}={example[definition.at or '']} is before the newest row that the state "
                    "has learnt.",
                    remedy="Ask in order of time, or compute in batch.",
                )
            self._settle(at > self.learnt)
        row = {name: example[name] for name in definition.row_schema}
        row |= self._before.of(row)
        joined: dict[str, Any] = {}
        for on, feed in self._feeds:
            key = tuple(row[own] for own, _ in on)
            joined.update(feed.answer(None if None in key else key, at))
        for form in definition.joined:
            if form.null_until_available and at <= self._began.get(form.table, TIMELESS):
                joined.update(dict.fromkeys(form.outputs))
        row |= joined
        row |= self._after.of(row)
        return {name: row[name] for name in (*definition.outputs, *definition.status_columns)}

    # -- which rows count when ------------------------------------------------------------------

    def _new_entries(self, table: str, row: Mapping[str, Any], mark: Any) -> list[Entry]:
        """The row's entries in every feed of its table."""
        times = {name: row[name] for name in ("_known_at", "_arrival", self.definition.tables[table].event_time or "")}
        moments = {name: since_epoch(time) for name, time in times.items()}
        return [entry for feed in self._of_table[table] for entry in feed.entries(row, moments, mark)]

    def _entries(self, table: str, counting: _CountingRow) -> list[Entry]:
        """The entries of a row that counts; of one that came with many they are made only now."""
        mark, entries, frame, index = counting
        if entries is not None:
            return entries
        assert frame is not None  # it came with many
        return self._new_entries(table, frame.row(index, named=True), mark)

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

    def _make_feeds(self, only: pl.DataFrame | None) -> None:
        for forms in passes(self.definition.joined):
            head = forms[0]
            feed = head.feed(forms, self.definition.tables[head.table], Keys.of(only, head.on))
            self._feeds.append((head.on, feed))
            if isinstance(feed, VersionFeed):
                self._versions_of[head.table].append(feed)
            else:
                self._of_table[head.table].append(feed)


def _apply(withdrawn: Iterable[Entry], placed: Iterable[Entry]) -> None:
    for entry in withdrawn:
        entry.withdraw()
    for entry in placed:
        entry.insert()
