"""TimeSince: the seconds since the latest row of which a condition is true (S11a)."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.conditions import Condition
from ml_platform.features.forms import JoinedForm, On, TableForm
from ml_platform.features.picks import seconds_of, seconds_since
from ml_platform.features.places import ALWAYS, Extremes
from ml_platform.features.relations import Batch
from ml_platform.naming import quoted
from ml_platform.spec.expressions import columns_read, to_portable

if TYPE_CHECKING:
    from ml_platform.features.online.passes import OnlinePass
    from ml_platform.spec.features import TimeSince


@dataclass(frozen=True)
class TimeSinceForm(JoinedForm["TimeSince"]):
    """Seconds since the latest usable row for which the portable expression `where` is true."""

    word: ClassVar[str] = "TimeSince"
    kind: ClassVar[str] = "time_since"
    null_until_available: ClassVar[bool] = True
    take: ClassVar[tuple[str, ...]] = ()
    offset: ClassVar[int] = 0

    table: str
    on: On
    where: dict[str, Any]
    outputs: tuple[str, ...]

    @classmethod
    def from_word(cls, feature: "TimeSince") -> Self:
        where = to_portable(feature.where, "TimeSince.where")
        return cls(feature.table, tuple(feature.keys.items()), where, feature.outputs)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(columns_read(self.where))

    @property
    def shared(self) -> Hashable:
        return self.kind, json.dumps(self.where)

    def condition(self, table: TableForm) -> Condition:
        """What is true of the rows that count."""
        return Condition(self.where, table, f"TimeSince({self.table!r})")

    @classmethod
    def compute(cls, forms: Sequence[Self], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
        """As JoinedForm says: the greatest event time of the rows that cover each example."""
        head, places = forms[0], batch.places(forms[0].on)
        latest = Extremes(places.size, np.maximum, ALWAYS, np.int64)
        event = f"e.{quoted(table.event_time or '')}"
        for rows in batch.rows(head, event, condition=head.condition(table)):
            columns = (rows[name] for name in ("_group", "_clock", "_usable", "_end"))
            group, clock, usable, until = (np.asarray(column, np.int64) for column in columns)
            start, last = head.covered(clock, usable, until)
            first, end = places.after(places.keys(group, start)), places.after(places.keys(group, last))
            covers = end > first
            latest.add(first[covers], end[covers], clock[covers])
        clocks = pl.Series(latest.result()[places.place_of])
        clocks = pl.select(pl.when(clocks != ALWAYS).then(clocks)).to_series()
        seconds = seconds_since(clocks, pl.Series(batch.at))
        return {form.outputs[0]: seconds for form in forms}

    @classmethod
    def online_pass(cls, forms: Sequence[Self], table: TableForm) -> "OnlinePass":
        from ml_platform.features.online.picks import OnlinePicks

        return OnlinePicks(forms, table, forms[0].condition(table))

    def of_row(self, age: int | None, values: Mapping[str, Any]) -> dict[str, Any]:
        """As `Pick` says."""
        return {self.outputs[0]: seconds_of(age)}

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        """As `Pick` says."""
        return np.maximum(usable, clock - 1), end

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        """As `Pick` says."""
        return {self.outputs[0]: seconds_since(rows["_clock"], at)}
