"""Latest: columns of the latest row (S10)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import On
from ml_platform.features.picks import PickForm
from ml_platform.features.places import NEVER
from ml_platform.spec.durations import microseconds

if TYPE_CHECKING:
    from ml_platform.spec.features import Latest


@dataclass(frozen=True)
class LatestForm(PickForm["Latest"]):
    """`offset` and `max_age` are microseconds."""

    word: ClassVar[str] = "Latest"
    kind: ClassVar[str] = "latest"

    table: str
    on: On
    take: tuple[str, ...]
    outputs: tuple[str, ...]
    status: str
    offset: int
    max_age: int | None

    @classmethod
    def from_word(cls, feature: "Latest") -> Self:
        return cls(
            feature.table,
            tuple(feature.keys.items()),
            tuple(feature.take),
            feature.outputs,
            feature.status,
            microseconds(feature.offset) if feature.offset else 0,
            microseconds(feature.max_age) if feature.max_age else None,
        )

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.take)

    @property
    def statuses(self) -> tuple[str, ...]:
        return (self.status,)

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        return np.maximum(usable, clock + self.offset - 1), end

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        age = at - self.offset - rows["_clock"]
        missing, stale = rows["_clock"].is_null(), age > (self.max_age or NEVER)
        words = pl.when(missing).then(pl.lit("unknown")).when(stale).then(pl.lit("stale")).otherwise(pl.lit("ok"))
        status = rows.select(words.alias("status"))["status"]
        outputs = {
            output: rows.select(pl.when(status != "stale").then(pl.col(column)))[column]
            for output, column in zip(self.outputs, self.take, strict=True)
        }
        return {**outputs, self.status: status}

    def of_row(self, age: int | None, values: Mapping[str, Any]) -> dict[str, Any]:
        stale = age is not None and self.max_age is not None and age > self.max_age
        status = "unknown" if age is None else "stale" if stale else "ok"
        taken = (values[name] if status == "ok" else None for name in self.take)
        return {**dict(zip(self.outputs, taken, strict=True)), self.status: status}
