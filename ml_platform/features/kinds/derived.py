"""Derived features: polars expressions, the same objects over many rows and over one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.features.rowwise import DerivedColumn, Layers, derive
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class DerivedForm:
    """A portable expression; `early` ones read inputs only and are computed before the joins."""

    name: str
    expression: dict[str, Any]
    early: bool


def derived_forms(pipeline: ModelPipeline) -> tuple[DerivedForm, ...]:
    """The derived features of a pipeline, each after those it reads."""
    return tuple(
        DerivedForm(name, to_portable(expression, f"Derived({name}=…)"), name in pipeline.early_derived)
        for name, expression in pipeline.derived
    )


def layers(forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> Layers:
    """The expressions in as few steps as their order allows: `with_columns` costs per call.

    `schema` has the types of what they read and derive.
    """
    steps: list[list[DerivedColumn]] = []
    depth: dict[str, int] = {}
    for form in forms:
        level = max((depth[name] + 1 for name in columns_read(form.expression) if name in depth), default=0)
        depth[form.name] = level
        if level == len(steps):
            steps.append([])
        steps[level].append(DerivedColumn.of(form.name, form.expression, schema, f"Derived({form.name}=…)"))
    return tuple(tuple(layer) for layer in steps)


class OneRow:
    """Derived features of one row at a time, from Python values to Python values."""

    def __init__(self, forms: Sequence[DerivedForm], schema: Mapping[str, pl.DataType]) -> None:
        self._steps = layers(forms, schema)
        self._makes = [form.name for form in forms]
        reads = set[str]().union(*(columns_read(form.expression) for form in forms)) - set(self._makes)
        self._reads = {name: schema[name] for name in sorted(reads)}

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is derived from `row`, by name."""
        if not self._makes:
            return {}
        # The second row is that of `derive`; so it need not append one.
        frame = pl.DataFrame({name: [row[name], None] for name in self._reads}, schema=self._reads)
        derived = derive(frame, self._steps).row(0, named=True)
        return {name: derived[name] for name in self._makes}
