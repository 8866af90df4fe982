"""Features as stored data (S15): what every kind of feature that reads a table provides to be computed."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import polars as pl

if TYPE_CHECKING:
    from ml_platform.features.online.passes import OnlinePass
    from ml_platform.features.relations import Batch
    from ml_platform.spec.features import JoinedFeature
    from ml_platform.spec.tables import Table

On = tuple[tuple[str, str], ...]  # (example column, table column)
Word = TypeVar("Word", bound="JoinedFeature")


@dataclass(frozen=True)
class TableForm:
    """The columns that features read, the primary key, and the event time (None: without time)."""

    columns: dict[str, pl.DataType]
    key: tuple[str, ...]
    event_time: str | None

    @property
    def timed(self) -> bool:
        """Whether rows have an event time; without, versions are kept by arrival."""
        return self.event_time is not None


class JoinedForm(ABC, Generic[Word]):
    """A feature that reads a table, as a frozen dataclass of JSON values. One subclass a kind, in `kinds`.

    word:                 the name of the declaration's word for it.
    kind:                 its name in the stored JSON.
    null_until_available: whether its outputs are null for `at` up to the moment the table's first row
                          was usable (S14).
    """

    word: ClassVar[str]
    kind: ClassVar[str]
    null_until_available: ClassVar[bool] = False

    table: str
    on: On
    outputs: tuple[str, ...]

    # -- what it is ----------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def from_word(cls, feature: Word) -> Self:
        """The form of a declared feature."""

    def of_table(self, table: "Table") -> Self:
        """The form for a table of that contract; the same unless the contract matters to it."""
        return self

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the table that it reads, beside keys and clocks."""
        return frozenset()

    @property
    def statuses(self) -> tuple[str, ...]:
        """The status columns that it gives beside its outputs."""
        return ()

    @property
    def lookback(self) -> int | None:
        """How long before `at` a row can still matter, in microseconds of the row's clock; None: without limit."""
        return None

    def code_version(self, table: TableForm) -> int:
        """The last change of this kind's code that gives other values from such a table; part of content keys (S31).

        A change that spares most tables is counted here, so that what it spares keeps its key.
        """
        return 1

    @property
    def shared(self) -> Hashable:
        """Forms of one join that are equal in this are computed in one pass over the rows."""
        return self.kind

    # -- how it is computed --------------------------------------------------------------

    @classmethod
    @abstractmethod
    def compute(cls, forms: Sequence[Any], table: TableForm, batch: "Batch") -> dict[str, pl.Series]:
        """Outputs and statuses of forms that share a pass, in the order of the batch's examples."""

    @classmethod
    @abstractmethod
    def online_pass(cls, forms: Sequence[Any], table: TableForm) -> "OnlinePass":
        """What is stored by key for forms that share a pass, to answer at any moment with the bits of `compute`."""

    # -- JSON ----------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The form as JSON values: its kind, then its fields in order."""
        fields: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]  # every subclass is one
        return {"kind": self.kind, **fields}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The form that `to_json` gave."""
        fields = {name: tuple(item) if isinstance(item, list) else item for name, item in data.items()}
        fields["on"] = tuple((own, theirs) for own, theirs in data["on"])
        return cls(**{name: item for name, item in fields.items() if name != "kind"})


Form = JoinedForm[Any]


def passes(forms: Iterable[Form]) -> list[list[Form]]:
    """The forms in groups that are computed in one pass over the rows of their table, in order."""
    groups: dict[Hashable, list[Form]] = {}
    for form in forms:
        groups.setdefault((form.table, form.on, form.shared), []).append(form)
    return list(groups.values())


def longest_lookback(forms: Iterable[Form]) -> int | None:
    """The longest of the forms' lookbacks; None: one of them has no limit. 0 without forms."""
    longest = 0
    for form in forms:
        if form.lookback is None:
            return None
        longest = max(longest, form.lookback)
    return longest
