"""Features that take one row of a table with time (S10, S11): what they share online."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import TableForm, Word
from ml_platform.features.ranked import RankedForm

if TYPE_CHECKING:
    from ml_platform.features.online.passes import OnlinePass

_SECOND = 1e6  # microseconds


class Pick(Protocol):
    """A form that takes one row of a table with time, as it answers online.

    take:   the columns whose values it answers with.
    offset: how long before `at` the row must have happened, in microseconds.
    statuses: its status column, if it has one.
    """

    @property
    def take(self) -> tuple[str, ...]: ...

    @property
    def offset(self) -> int: ...

    @property
    def statuses(self) -> tuple[str, ...]: ...

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        """As `RankedForm.covered`."""

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        """As `RankedForm.picked`."""

    def of_row(self, age: int | None, values: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs and status from a row that happened `age` microseconds before at - offset; None: from no row."""


class PickForm(RankedForm[Word]):
    """A ranked form of a table with time."""

    @classmethod
    def online_pass(cls, forms: Sequence[Any], table: TableForm) -> "OnlinePass":
        from ml_platform.features.online.picks import OnlinePicks

        return OnlinePicks(forms, table)


def seconds_since(clock: pl.Series, at: pl.Series) -> pl.Series:
    """From `clock` to `at`, both in microseconds; null where there is no clock."""
    # In numpy: polars divides by a constant through its reciprocal.
    seconds = pl.Series((at - clock.fill_null(0)).to_numpy() / _SECOND)
    return pl.select(pl.when(clock.is_not_null()).then(seconds)).to_series()


def seconds_of(age: int | None) -> float | None:
    """An age in microseconds as seconds; None without a row."""
    return None if age is None else age / _SECOND
