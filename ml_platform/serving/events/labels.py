"""How late truth is posted: as rows of the label's table, or as outcomes of the examples' own rows.

Either names the key of its row, or the id of the prediction that it is the truth about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.logged_values import logged_frame
from ml_platform.spec.examples import Label
from ml_platform.spec.features.word import join_keys
from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class LabelEvents:
    """What a label is online.

    table:    whose rows labels are, or are columns of.
    outcomes: the columns of a posted label, with the key of its row; None: labels are whole rows.
    refusal:  why no label is taken, as a sentence; None where they are.
    request_columns: the columns of a label that the request of a prediction had: column → column of the example. A
              label with the id of a prediction leaves them out. Empty: labels are not taken by prediction.
    example_types: of the examples' columns.
    """

    table: EventTable
    outcomes: tuple[str, ...] | None
    refusal: str | None
    request_columns: Mapping[str, str]
    example_types: Mapping[str, pl.DataType]

    @classmethod
    def of(cls, pipeline: ModelPipeline, tables: Mapping[str, EventTable]) -> "LabelEvents":
        """As the pipeline declares its label. A label of its own row is a correction of that row."""
        examples, types = pipeline.examples, tables[pipeline.examples.table].columns
        requested = {*examples.inputs, *examples.identity}
        if isinstance(examples.label, Label):
            table = tables[examples.label.table]
            on = join_keys(examples.label.on)
            from_request = {theirs: own for own, theirs in on.items()} if requested.issuperset(on) else {}
            return cls(table, None, table.refusal, from_request, types)
        table = tables[examples.table]
        known_before = {*examples.inputs, *examples.identity, *table.table.key}
        outcomes = tuple(name for name in table.columns if name in table.table.key or name not in known_before)
        refusal = table.refusal
        if refusal is None and not table.takes_corrections:
            refusal = (
                "The label is a column of the example's own row, which a later value would correct, and the table "
                "declares on_conflict='quarantine'."
            )
        from_request = {name: name for name in table.table.key} if requested.issuperset(table.table.key) else {}
        return cls(table, outcomes, refusal, from_request, types)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a label that names its key."""
        return tuple(self.table.columns) if self.outcomes is None else self.outcomes

    def request_values(self, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values of `request_columns` for a prediction with these logged inputs; None where they lack one.

        That is so for a version with other inputs than the declaration has now.
        """
        if not inputs.keys() >= set(self.request_columns.values()):
            return None
        try:
            row = logged_frame([inputs], {own: self.example_types[own] for own in self.request_columns.values()})
            columns = [
                row[own].cast(self.table.columns[name]).alias(name) for name, own in self.request_columns.items()
            ]
        except (pl.exceptions.PolarsError, ValueError, TypeError, ArithmeticError):
            return None
        return pl.DataFrame(columns).row(0, named=True)
