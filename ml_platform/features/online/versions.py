"""Lookup from stored rows (S12): the versions of rows without time, by arrival."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.forms import TableForm
from ml_platform.features.kinds.lookup import LookupForm
from ml_platform.features.online.keyed_rows import KeyedRows, ManyAnswers, ManyAsked
from ml_platform.features.online.passes import UNTIL, USABLE, Answers, OnlinePass
from ml_platform.features.online.rows import Kind, StoredRows, Values, kind_of
from ml_platform.features.places import HighestRanks
from ml_platform.validation.version_order import PATH, ROW


class OnlineVersions(OnlinePass):
    """Lookups of one join. The first version of a key also stands for the time before it."""

    part: ClassVar[str] = "version"

    def __init__(self, forms: Sequence[LookupForm], table: TableForm) -> None:
        self.lookups = forms
        self._taken = sorted({column for form in forms for column in form.take})
        super().__init__(forms, table)

    @property
    def stored_columns(self) -> dict[str, Kind]:
        return {f"take {name}": kind_of(self.table.columns[name]) for name in self._taken}

    @property
    def clock(self) -> str:
        return "_usable_at"

    @property
    def order(self) -> tuple[str, ...]:
        return ("_arrival", *(self.table.key or (PATH, ROW)))

    def values(self, frame: pl.DataFrame) -> dict[str, Values]:
        return {f"take {name}": Values.of(frame[name]) for name in self._taken}

    def reachable(self, columns: Mapping[str, Integers], horizon: int) -> Mask:
        """As OnlinePass says. An `at` before the first version asks for that moment: its versions stay until then."""
        first = int(columns[USABLE].min(initial=horizon))
        return np.asarray(columns[UNTIL] > max(first, horizon))

    def answer(self, rows: StoredRows, at: int) -> Answers:
        usable, until = rows.numbers(USABLE), rows.numbers(UNTIL)
        moment = max(at, rows.first)
        latest_first = range(rows.rows - 1, -1, -1)  # mostly the first of them stands
        index = next((index for index in latest_first if usable[index] <= moment < until[index]), None)
        status = "unknown" if index is None else "assumed" if at < rows.first else "ok"
        answers: dict[str, Any] = {}
        for form in self.lookups:
            for output, name in zip(form.outputs, form.take, strict=True):
                dtype = self.table.columns[name]
                answers[output] = None if index is None else rows.value(f"take {name}", index, dtype)
            answers[form.status] = status
        return Answers(answers)

    def answer_many(self, rows: KeyedRows, asked: ManyAsked) -> ManyAnswers:
        usable, until, first = rows.numbers(USABLE), rows.numbers(UNTIL), rows.first
        highest = HighestRanks(asked.places)
        highest.add(np.arange(rows.count), rows.group, *self.lookups[0].covered(first, usable, until))
        types = {name: self.table.columns[name] for name in self._taken}
        picked = rows.picked(highest.result()[asked.places.place_of], first, types)
        answers, at = ManyAnswers(), pl.Series(asked.at)
        for form in self.lookups:
            answers.values |= form.picked(picked, at)
        return answers
