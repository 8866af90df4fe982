"""The features of one example from stored rows: which values it needs, and what is computed from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.forms import passes
from ml_platform.features.kinds.derived import OneRow
from ml_platform.features.online.passes import OnlinePass
from ml_platform.features.online.rows import key_bytes
from ml_platform.features.relations import TIMELESS
from ml_platform.spec.durations import since_epoch


@dataclass(frozen=True)
class Question:
    """One example on its way to its features.

    row:  its own columns and what is derived from them before the joins.
    keys: by pass, the name of the value to read in the online store; None: it joins nothing.
    """

    at: int
    row: dict[str, Any]
    keys: tuple[bytes | None, ...]


class OnlineFeatures:
    """The features of one definition, computed from stored rows. It stores nothing itself, and threads may share it."""

    def __init__(self, definition: FeatureDefinition) -> None:
        self.definition = definition
        joins = {own for form in definition.joined for own, _ in form.on}
        early = [form for form in definition.derived if form.early]
        if not joins & {form.name for form in early}:
            early = []
        self._before = OneRow(early, definition.schema)
        self._after = OneRow([form for form in definition.derived if form not in early], definition.schema)

    @property
    def by_polars(self) -> tuple[str, ...]:
        """The derived features that polars computes, a row at a time, which takes far longer than the others."""
        return self._before.by_polars + self._after.by_polars

    @cached_property
    def passes(self) -> tuple[OnlinePass, ...]:
        """What is stored, pass by pass."""
        tables = self.definition.tables
        return tuple(forms[0].online_pass(forms, tables[forms[0].table]) for forms in passes(self.definition.joined))

    def question(self, example: Mapping[str, Any]) -> Question:
        """What must be read for an example, given its own columns."""
        definition = self.definition
        at = since_epoch(example[definition.at]) if definition.at else TIMELESS
        row = {name: example[name] for name in definition.row_schema}
        row |= self._before.of(row)
        keys = tuple(value_name(online_pass, [row[own] for own, _ in online_pass.on]) for online_pass in self.passes)
        return Question(at, row, keys)

    def answer(
        self, question: Question, values: Sequence[bytes | None], since: Mapping[str, int | None]
    ) -> dict[str, Any]:
        """Outputs and statuses, in the order of the definition.

        values: by pass what the store has under the question's key. since: when the first row of each table with
        time became usable, in microseconds (S14).
        """
        row, at = dict(question.row), question.at
        for online_pass, value in zip(self.passes, values, strict=True):
            row |= online_pass.answer(
                online_pass.layout.read(value) if value is not None else online_pass.layout.empty, at
            )
        for form in self.definition.joined:
            if form.null_until_available:
                began = since.get(form.table)
                if began is None or at <= began:
                    row.update(dict.fromkeys(form.outputs))
        row |= self._after.of(row)
        return {name: row[name] for name in (*self.definition.outputs, *self.definition.status_columns)}


def value_name(online_pass: OnlinePass, key: Sequence[Any]) -> bytes | None:
    """The name of a value in the online store: the fingerprint of its layout, then the join key."""
    encoded = key_bytes(key)
    return None if encoded is None else online_pass.layout.fingerprint + encoded
