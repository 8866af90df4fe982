"""Latest, Since and TimeSince from stored rows (S10, S11): the rows of a key in the order of preference."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.conditions import Condition
from ml_platform.features.forms import TableForm
from ml_platform.features.online.keyed_rows import KeyedRows, ManyAnswers, ManyAsked
from ml_platform.features.online.passes import CLOCK, UNTIL, USABLE, Answers, OnlinePass
from ml_platform.features.online.rows import Kind, StoredRows, Values, kind_of
from ml_platform.features.picks import Pick
from ml_platform.features.places import NEVER, HighestRanks
from ml_platform.validation.version_order import PATH, ROW


class OnlinePicks(OnlinePass):
    """Forms that take the latest row of one join that counts."""

    part: ClassVar[str] = "pick"

    def __init__(self, forms: Sequence[Pick], table: TableForm, condition: Condition | None = None) -> None:
        self.picks = forms
        self._offsets = sorted({form.offset for form in forms})
        self._taken = sorted({column for form in forms for column in form.take})
        super().__init__(forms, table, condition)

    @property
    def meaning(self) -> Any:
        return self._offsets[-1]  # what a later row outranks for good is left out

    @property
    def stored_columns(self) -> dict[str, Kind]:
        return {f"take {name}": kind_of(self.table.columns[name]) for name in self._taken}

    @property
    def clock(self) -> str:
        return self.table.event_time or ""

    @property
    def order(self) -> tuple[str, ...]:
        return (self.clock, "_known_at", "_arrival", *(self.table.key or (PATH, ROW)))

    def values(self, frame: pl.DataFrame) -> dict[str, Values]:
        return {f"take {name}": Values.of(frame[name]) for name in self._taken}

    def reachable(self, columns: Mapping[str, Integers], horizon: int) -> Mask:
        """As OnlinePass says, of one key's rows: not those that a later one outranks for good."""
        clock, usable, until = columns[CLOCK], columns[USABLE], columns[UNTIL]
        outranks = (until == NEVER) & (usable < horizon) & (clock <= horizon - self._offsets[-1])
        last = np.flatnonzero(outranks)[-1:]
        reached = until >= horizon
        reached[: int(last[0]) if len(last) else 0] = False
        return np.asarray(reached)

    def answer(self, rows: StoredRows, at: int) -> Answers:
        index_by_offset = {offset: _latest(rows, at, at - offset) for offset in self._offsets}
        clock = rows.numbers(CLOCK)
        answers = Answers()
        for form in self.picks:
            index = index_by_offset[form.offset]
            if index is None:
                answers.values |= form.of_row(None, {})
                continue
            values = {name: rows.value(f"take {name}", index, self.table.columns[name]) for name in form.take}
            age = at - form.offset - int(clock[index])
            answers.values |= form.of_row(age, values)
            answers.ages |= dict.fromkeys(form.statuses, age)
        return answers

    def answer_many(self, rows: KeyedRows, asked: ManyAsked) -> ManyAnswers:
        clock, usable, until = rows.numbers(CLOCK), rows.numbers(USABLE), rows.numbers(UNTIL)
        at, rank = pl.Series(asked.at), np.arange(rows.count)
        types = {name: self.table.columns[name] for name in self._taken}
        answers, picked_by_offset = ManyAnswers(), dict[int, pl.DataFrame]()
        for form in self.picks:
            picked = picked_by_offset.get(form.offset)
            if picked is None:
                highest = HighestRanks(asked.places)
                highest.add(rank, rows.group, *form.covered(clock, usable, until))
                picked = rows.picked(highest.result()[asked.places.place_of], clock, types)
                picked_by_offset[form.offset] = picked
            answers.values |= form.picked(picked, at)
            answers.ages |= dict.fromkeys(form.statuses, at - form.offset - picked["_clock"])
        return answers


def _latest(rows: StoredRows, at: int, until: int) -> int | None:
    """The last row with clock ≤ `until` that is usable at `at` and not replaced."""
    clock, usable, ends = rows.numbers(CLOCK), rows.numbers(USABLE), rows.numbers(UNTIL)
    for index in range(int(np.searchsorted(clock, until, side="right")) - 1, -1, -1):
        if usable[index] < at <= ends[index]:
            return index
    return None
