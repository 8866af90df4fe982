"""Which tables take events, and what an event of each has to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from ml_platform.features.types import type_form, type_of
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table


@dataclass(frozen=True)
class EventTable:
    """A declared table as events are taken for it. `partitions`: None for a table that is not partitioned."""

    table: Table
    partitions: Partitions | None

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.table.name

    @cached_property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns of an event with the types in which it is stored and landed: levels are text."""
        stored = self.table.stored_columns
        return {name: type_of(type_form(dtype, f"{self.name}.{name}")) for name, dtype in stored.items()}

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that tell one row from another: its key, or all of them where it has none (S35)."""
        return self.table.key or tuple(self.columns)

    @property
    def takes_corrections(self) -> bool:
        """Whether an event with a key that stands and other content takes its place."""
        return self.table.on_conflict == "latest"

    @cached_property
    def refusal(self) -> str | None:
        """Why no event is taken, as a sentence; None where they are."""
        from ml_platform.validation.chunked_screening import can_be_split

        table = self.table
        if table.refresh is not None:
            return f"Its rows count from a refresh on (refresh={table.refresh!r}), which no event moves forward."
        if not table.source.in_landing_folder:
            return "Its rows come from a database, and an event would not be there."
        if table.clean is not None:
            return "Its rows are made by `clean` from whole files."
        if not can_be_split(table):
            return "A rule of its contract looks at several rows of a file."
        return None


def tables_with_events(pipeline: ModelPipeline) -> Mapping[str, EventTable]:
    """The tables of a pipeline by name, those that take no events, too."""
    slices = pipeline.slices
    return {table.name: EventTable(table, slices[table.name]) for table in pipeline.tables}
