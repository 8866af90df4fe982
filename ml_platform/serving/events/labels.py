"""How late truth is posted: as rows of the label's table, or as outcomes of the examples' own rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_platform.serving.events.tables import EventTable
from ml_platform.spec.examples import Label
from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class LabelEvents:
    """What a label is online.

    table:    whose rows labels are, or are columns of.
    outcomes: the columns of a posted label, with the key of its row; None: labels are whole rows.
    refusal:  why no label is taken, as a sentence; None where they are.
    """

    table: EventTable
    outcomes: tuple[str, ...] | None
    refusal: str | None

    @classmethod
    def of(cls, pipeline: ModelPipeline, tables: Mapping[str, EventTable]) -> "LabelEvents":
        """As the pipeline declares its label. A label of its own row is a correction of that row."""
        examples = pipeline.examples
        if isinstance(examples.label, Label):
            table = tables[examples.label.table]
            return cls(table, None, table.refusal)
        table = tables[examples.table]
        known_before = {*examples.inputs, *examples.identity, *table.table.key}
        outcomes = tuple(name for name in table.columns if name in table.table.key or name not in known_before)
        refusal = table.refusal
        if refusal is None and not table.takes_corrections:
            refusal = (
                "The label is a column of the example's own row, which a later value would correct, and the table "
                "declares on_conflict='quarantine'."
            )
        return cls(table, outcomes, refusal)
