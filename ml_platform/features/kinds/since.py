"""Since: the seconds since the latest row (S11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import On
from ml_platform.features.picks import PickForm, seconds_of, seconds_since

if TYPE_CHECKING:
    from ml_platform.spec.features import Since


@dataclass(frozen=True)
class SinceForm(PickForm["Since"]):
    """Seconds since the latest usable row."""

    word: ClassVar[str] = "Since"
    kind: ClassVar[str] = "since"
    null_until_available: ClassVar[bool] = True
    take: ClassVar[tuple[str, ...]] = ()
    offset: ClassVar[int] = 0

    table: str
    on: On
    outputs: tuple[str, ...]

    @classmethod
    def from_word(cls, feature: "Since") -> Self:
        return cls(feature.table, tuple(feature.keys.items()), feature.outputs)

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        return np.maximum(usable, clock - 1), end

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        return {self.outputs[0]: seconds_since(rows["_clock"], at)}

    def of_row(self, age: int | None, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self.outputs[0]: seconds_of(age)}
