"""Each kind of feature as plain data: what computing it needs, and nothing of how it was declared."""

from dataclasses import dataclass
from typing import Any, ClassVar

On = tuple[tuple[str, str], ...]  # (example column, table column)


@dataclass(frozen=True)
class WindowForm:
    """`outputs` are in the order of spans, within a span in that of aggregates. Spans are microseconds."""

    kind: ClassVar[str] = "window"
    table: str
    on: On
    of: str | None
    aggregates: tuple[str, ...]
    spans: tuple[int, ...]
    clock: str
    where: dict[str, Any] | None
    resolution: float
    outputs: tuple[str, ...]

    def named(self) -> list[tuple[str, str, int]]:
        """(output, aggregate, span), in the order of the outputs."""
        cells = [(aggregate, span) for span in self.spans for aggregate in self.aggregates]
        return [(name, *cell) for name, cell in zip(self.outputs, cells, strict=True)]


@dataclass(frozen=True)
class LatestForm:
    """`offset` and `max_age` are microseconds."""

    kind: ClassVar[str] = "latest"
    table: str
    on: On
    take: tuple[str, ...]
    outputs: tuple[str, ...]
    status: str
    offset: int
    max_age: int | None


@dataclass(frozen=True)
class SinceForm:
    """Seconds since the latest usable row."""

    kind: ClassVar[str] = "since"
    table: str
    on: On
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class LookupForm:
    """Columns of a table without time."""

    kind: ClassVar[str] = "lookup"
    table: str
    on: On
    take: tuple[str, ...]
    outputs: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class DerivedForm:
    """A portable expression; `early` ones read inputs only and are computed before the joins."""

    kind: ClassVar[str] = "derived"
    name: str
    expression: dict[str, Any]
    early: bool


JoinedForm = WindowForm | LatestForm | SinceForm | LookupForm
KINDS: dict[str, Any] = {form.kind: form for form in (WindowForm, LatestForm, SinceForm, LookupForm, DerivedForm)}
