"""Lookup: columns of a table without time (S12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import On, TableForm
from ml_platform.features.places import ALWAYS, NEVER
from ml_platform.features.ranked import RankedForm

if TYPE_CHECKING:
    from ml_platform.features.online.passes import OnlinePass
    from ml_platform.spec.features import Lookup


@dataclass(frozen=True)
class LookupForm(RankedForm["Lookup"]):
    """Columns of a table without time."""

    word: ClassVar[str] = "Lookup"
    kind: ClassVar[str] = "lookup"

    table: str
    on: On
    take: tuple[str, ...]
    outputs: tuple[str, ...]
    status: str

    @classmethod
    def from_word(cls, feature: "Lookup") -> Self:
        return cls(feature.table, tuple(feature.keys.items()), tuple(feature.take), feature.outputs, feature.status)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.take)

    @property
    def statuses(self) -> tuple[str, ...]:
        return (self.status,)

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        """As RankedForm says: by arrival, inclusive; the first rows of a key also stand for the time before them."""
        last = np.where(end == NEVER, NEVER, end - 1)
        return np.where((usable == clock) & (last >= usable), ALWAYS, usable - 1), last

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        missing, assumed = rows["_clock"].is_null(), at < rows["_clock"]
        words = pl.when(missing).then(pl.lit("unknown")).when(assumed).then(pl.lit("assumed")).otherwise(pl.lit("ok"))
        outputs = {output: rows[column] for output, column in zip(self.outputs, self.take, strict=True)}
        return {**outputs, self.status: rows.select(words.alias("status"))["status"]}

    @classmethod
    def online_pass(cls, forms: Sequence[Self], table: TableForm) -> "OnlinePass":
        from ml_platform.features.online.versions import OnlineVersions

        return OnlineVersions(forms, table)
