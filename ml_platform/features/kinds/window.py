"""Windows: aggregates over the rows of a span before the prediction time (S9)."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import polars as pl

from ml_platform.features.arithmetic import NUMERIC
from ml_platform.features.conditions import Condition
from ml_platform.features.forms import JoinedForm, On, TableForm
from ml_platform.features.relations import Batch
from ml_platform.spec.aggregates import COUNTED
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import columns_read, to_portable

if TYPE_CHECKING:
    from ml_platform.features.online.passes import OnlinePass
    from ml_platform.spec.features import Window
    from ml_platform.spec.tables import Table


@dataclass(frozen=True)
class WindowForm(JoinedForm["Window"]):
    """`outputs` are in the order of spans, within a span in that of aggregates. Spans are microseconds.

    nan: "null" where values that may be NaN are counted; None there means that the form was stored when NaN counted.
    """

    word: ClassVar[str] = "Window"
    kind: ClassVar[str] = "window"
    null_until_available: ClassVar[bool] = True

    table: str
    on: On
    of: str | None
    aggregates: tuple[str, ...]
    spans: tuple[int, ...]
    clock: str
    where: dict[str, Any] | None
    resolution: float
    outputs: tuple[str, ...]
    nan: str | None = None

    def named(self) -> list[tuple[str, str, int]]:
        """(output, aggregate, span), in the order of the outputs."""
        cells = [(aggregate, span) for span in self.spans for aggregate in self.aggregates]
        return [(name, *cell) for name, cell in zip(self.outputs, cells, strict=True)]

    @classmethod
    def from_word(cls, feature: "Window") -> Self:
        return cls(
            feature.table,
            tuple(feature.keys.items()),
            feature.of,
            tuple(feature.agg),
            tuple(microseconds(span) for span in feature.over),
            feature.clock,
            to_portable(feature.where, "Window.where") if feature.where is not None else None,
            float(feature.resolution),
            feature.outputs,
        )

    def of_table(self, table: "Table") -> Self:
        allowed = self.of is not None and getattr(table.contract.columns()[self.of], "allow_nan", False)
        return replace(self, nan="null") if allowed and COUNTED.intersection(self.aggregates) else self

    def to_json(self) -> dict[str, Any]:
        return {name: item for name, item in super().to_json().items() if name != "nan" or item is not None}

    def condition(self, table: TableForm) -> Condition | None:
        """What is true of the rows that count; None: all count."""
        return Condition(self.where, table, f"Window({self.table!r})") if self.where is not None else None

    @property
    def nan_counts(self) -> bool:
        """Whether NaN of `of` is a value, as it was when the form was stored, and not null."""
        return self.nan is None and bool(COUNTED.intersection(self.aggregates))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset([self.of] if self.of else []) | (columns_read(self.where) if self.where else set())

    @property
    def lookback(self) -> int | None:
        return max(self.spans)

    def code_version(self, table: TableForm) -> int:
        decimal = self.of is not None and isinstance(table.columns[self.of], pl.Decimal)
        return 2 if decimal and NUMERIC.intersection(self.aggregates) else 1  # decimals were rounded twice before

    @property
    def shared(self) -> Hashable:
        return self.kind, self.clock, json.dumps(self.where)

    @classmethod
    def compute(cls, forms: Sequence[Self], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
        from ml_platform.features.window_rows import windows  # reads by pyarrow, which answering online does without

        return windows(forms, table, batch)

    @classmethod
    def online_pass(cls, forms: Sequence[Self], table: TableForm) -> "OnlinePass":
        from ml_platform.features.online.windows import OnlineWindows

        return OnlineWindows(forms, table)


def columns_without_nan(forms: Sequence[WindowForm], table: TableForm) -> frozenset[str]:
    """The columns of which these windows take NaN as null: fractions, unless a stored form counts it as a value."""
    fractions = {form.of for form in forms if form.of is not None and table.columns[form.of].is_float()}
    return frozenset(fractions - {form.of for form in forms if form.nan_counts})
