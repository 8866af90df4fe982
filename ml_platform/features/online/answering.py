"""The features of one example from stored rows: which values it needs, and what is computed from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.forms import passes
from ml_platform.features.kinds.derived import OneRow
from ml_platform.features.online.passes import Answers, OnlinePass
from ml_platform.features.online.rows import key_bytes
from ml_platform.features.places import NEVER
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


@dataclass(frozen=True)
class Adjustments:
    """What a caller wants otherwise than the declaration says (S44).

    overrides:     values that take the place of looked-up features, by output.
    max_staleness: how old the row behind a feature may be at most, by status column, in microseconds. It shortens what
                   the declaration allows and never extends it.
    """

    overrides: Mapping[str, Any] = field(default_factory=dict)
    max_staleness: Mapping[str, int] = field(default_factory=dict)


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
        self,
        question: Question,
        values: Sequence[bytes | None],
        since: Mapping[str, int | None],
        adjustments: Adjustments | None = None,
    ) -> Answers:
        """Outputs and statuses, in the order of the definition, and ages.

        values: by pass what the store has under the question's key. since: when the first row of each table with
        time became usable, in microseconds (S14).
        """
        row, at = dict(question.row), question.at
        ages: dict[str, int] = {}
        for online_pass, value in zip(self.passes, values, strict=True):
            answers = online_pass.answer(
                online_pass.layout.read(value) if value is not None else online_pass.layout.empty, at
            )
            row |= answers.values
            ages |= answers.ages
        for form in self.definition.joined:
            if form.null_until_available:
                began = since.get(form.table)
                if began is None or at <= began:
                    row.update(dict.fromkeys(form.outputs))
        if adjustments is not None:
            self._adjust(row, ages, adjustments)
        row |= self._after.of(row)
        return Answers({name: row[name] for name in (*self.definition.outputs, *self.definition.status_columns)}, ages)

    def _adjust(self, row: dict[str, Any], ages: Mapping[str, int], adjustments: Adjustments) -> None:
        for form in self.definition.joined:
            for status in form.statuses:
                if status in ages and ages[status] > adjustments.max_staleness.get(status, NEVER):
                    row.update({**dict.fromkeys(form.outputs), status: "stale"})
            overridden = {name: adjustments.overrides[name] for name in form.outputs if name in adjustments.overrides}
            row.update(overridden)
            if overridden and len(overridden) == len(form.outputs):  # else the status is that of the others
                row.update(dict.fromkeys(form.statuses, "overridden"))


def value_name(online_pass: OnlinePass, key: Sequence[Any]) -> bytes | None:
    """The name of a value in the online store: the fingerprint of its layout, then the join key."""
    encoded = key_bytes(key)
    return None if encoded is None else online_pass.layout.fingerprint + encoded
