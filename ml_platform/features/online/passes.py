"""What every kind of feature stores by join key: row versions with their times, in the order that its answers need."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.conditions import Condition
from ml_platform.features.forms import Form, TableForm
from ml_platform.features.online.keyed_rows import KeyedRows, ManyAnswers, ManyAsked
from ml_platform.features.online.rows import Kind, Layout, StoredRows, Values
from ml_platform.features.places import NEVER
from ml_platform.features.types import type_form

CLOCK, USABLE, UNTIL = "clock", "usable", "until"
TIMES: dict[str, Kind] = {CLOCK: "whole", USABLE: "whole", UNTIL: "whole"}


@dataclass
class Answers:
    """Outputs and statuses by name, and by status column the age of the row behind it, in microseconds.

    Only a row that its feature may find too old has an age.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)


class OnlinePass(ABC):
    """The forms that share a pass over the rows of one join, as they are stored and answered online.

    part: names the pass in fingerprints, which differ wherever stored values would mean something else.
    """

    part: ClassVar[str]

    def __init__(self, forms: Sequence[Any], table: TableForm, condition: Condition | None = None) -> None:
        self.forms: Sequence[Form] = forms
        self.table_name = forms[0].table
        self.on = forms[0].on
        self.table, self.condition = table, condition
        self.by = [theirs for _, theirs in self.on]
        meaning = [
            self.part,
            self.table_name,
            [[name, type_form(dtype, name)] for name, dtype in sorted(table.columns.items())],
            [table.key, table.event_time],
            self.by,
            condition.where if condition is not None else None,
            self.meaning,
        ]
        self.layout = Layout(meaning, {**TIMES, **self.stored_columns})

    @property
    def meaning(self) -> Any:
        """What tells these stored values from others of the same columns, as JSON values."""
        return None

    @property
    @abstractmethod
    def stored_columns(self) -> dict[str, Kind]:
        """The columns of a stored row beside its times."""

    @property
    @abstractmethod
    def clock(self) -> str:
        """The column of the validated layout that is the row's clock."""

    @property
    @abstractmethod
    def order(self) -> tuple[str, ...]:
        """The columns of the validated layout in whose order rows are stored."""

    @abstractmethod
    def values(self, frame: pl.DataFrame) -> dict[str, Values]:
        """What is stored of rows of the validated layout, beside TIMES."""

    @abstractmethod
    def reachable(self, columns: Mapping[str, Integers], horizon: int) -> Mask:
        """Which rows can count for some example with `at` ≥ `horizon`; the columns are those of TIMES."""

    @abstractmethod
    def answer(self, rows: StoredRows, at: int) -> Answers:
        """What one example has of the rows; without rows, what a key has that nobody has seen."""

    @abstractmethod
    def answer_many(self, rows: KeyedRows, asked: ManyAsked) -> ManyAnswers:
        """What `answer` gives for each of many examples, to the same bits.

        The groups of `asked` are those of `rows`.
        """

    # -- what all share --------------------------------------------------------------------

    @property
    def reads(self) -> list[str]:
        """The columns of the validated layout that a row is made from."""
        names = [*self.by, *self.order, self.clock, *sorted(self.columns)]
        names += self.condition.columns if self.condition else []
        return list(dict.fromkeys(name for name in names if not name.startswith("_")))

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the table whose values are stored."""
        return frozenset().union(*(form.columns for form in self.forms))

    def select_rows(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Values]]:
        """Of rows of the validated layout those that this pass stores, in its order, and their columns.

        A row that was never usable, that has no clock, or for which the condition is not true is left out.
        """
        # Of one event each step of polars costs more than all that it computes, so what changes nothing is left out.
        with_nulls = [name for name in ("_usable_at", self.clock, *self.by) if frame[name].null_count()]
        rows = frame.drop_nulls(with_nulls) if with_nulls else frame
        if self.condition is not None:
            rows = rows.filter(self.condition.mask(rows))
        if rows.height > 1:
            rows = rows.sort([*self.by, *self.order], maintain_order=True)
        until = Values.of(rows["_superseded_at"])
        times = {
            CLOCK: Values.of(rows[self.clock]),
            USABLE: Values.of(rows["_usable_at"]),
            UNTIL: until if until.present is None else Values.whole(np.where(until.present, until.data, NEVER)),
        }
        return rows, {**times, **self.values(rows)}


def unreplaced(usable: Integers, until: Integers, at: int) -> Mask:
    """Which rows are usable at `at` and not replaced by then (S4, S6)."""
    return np.asarray((usable < at) & (until >= at))
