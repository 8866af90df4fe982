"""A declaration as flat values, by path: what two of them differ in (S46)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import polars as pl

from ml_platform.spec.canonical import canonical
from ml_platform.spec.expression_wording import expression_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.experiments import Change


def flat(pipeline: ModelPipeline) -> dict[str, Any]:
    """Path → JSON value of what shapes a model: trainer, split, examples, transforms, gates, and features by output.

    Transforms are one value, as they are written: their order counts.
    """
    values = dict(_values("trainer", pipeline.trainer))
    values |= _values("split", pipeline.split)
    values |= _values("examples", pipeline.examples)
    if pipeline.transforms:
        values["transforms"] = f"[{', '.join(one.written() for one in pipeline.transforms)}]"
    for gate in pipeline.all_gates:
        values[f"gates.{gate.short_name}"] = f"{gate.phrase} ({gate.severity})"
    for feature in pipeline.features:
        parts = canonical(feature)
        for output in feature.outputs:
            expression = feature.expressions.get(output)
            shared = {name: value for name, value in parts.items() if name not in feature.output_parameters}
            values[f"features.{output}"] = _words(expression) if expression is not None else json.dumps(shared)
    return values


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs between two flat declarations, in the order of the first."""
    paths = dict.fromkeys([*before, *after])
    return tuple(
        Change(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)
    )


def _values(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, pl.Expr):
        yield path, _words(value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"{path}.kind", type(value).__name__
        for field in fields(value):
            yield from _values(f"{path}.{field.name}", getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _values(f"{path}.{name}", item)
    elif isinstance(value, list | tuple) and any(map(is_dataclass, value)):
        for index, item in enumerate(value):
            yield from _values(f"{path}.{index}", item)
    else:
        yield path, canonical(value)


def _words(expression: pl.Expr) -> str:
    return expression_in_words(to_portable(expression, "declaration"))
