"""Fitted transforms, one after the other."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from ml_platform.errors import ScoringError, TrainingError
from ml_platform.models.transforms.categories import OneHot, TargetEncoded
from ml_platform.models.transforms.hashed import Hashed
from ml_platform.models.transforms.imputed import Imputed
from ml_platform.models.transforms.numbers import Log, Scaled
from ml_platform.models.transforms.protocol import Array, FittedTransform, Target
from ml_platform.models.transforms.reduced import Reduced

_KINDS: dict[str, type[FittedTransform]] = {
    each.kind: each for each in (Scaled, Log, Imputed, OneHot, TargetEncoded, Reduced, Hashed)
}


class Chain:
    """Transforms of `columns` (name → polars type, in the model's order), in the order in which they are applied."""

    def __init__(self, columns: Mapping[str, str], transforms: Sequence[FittedTransform]) -> None:
        self.columns, self.transforms = dict(columns), tuple(transforms)
        self._names = list(columns)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Name → polars type of the columns behind the transforms, in their order."""
        outputs = dict(self.columns)
        for transform in self.transforms:
            outputs = _followed(outputs, transform)
        return outputs

    @cached_property
    def touched(self) -> list[str]:
        """The columns that any transform reads, in the model's order."""
        read = {name for transform in self.transforms for name in transform.columns}
        return [name for name in self.columns if name in read]

    @cached_property
    def shares(self) -> Array:
        """By output and column the share of the output that came of the column; each row sums up to 1."""
        shares: dict[str, Mapping[str, float]] = {name: {name: 1.0} for name in self.columns}
        for transform in self.transforms:
            of_outputs = {}
            for output, parents in transform.origins.items():
                total: dict[str, float] = {}
                for parent, share in parents.items():
                    for name, before in shares[parent].items():
                        total[name] = total.get(name, 0.0) + share * before
                of_outputs[output] = total
            shares |= of_outputs
        return np.array([[shares[output].get(name, 0.0) for name in self.columns] for output in self.outputs]).reshape(
            len(self.outputs), len(self.columns)
        )

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The outputs of a frame that may have more columns, in any order.

        Raises ScoringError for a column that is missing or of another type.
        """
        missing = [name for name in self._names if name not in frame.columns]
        if missing:
            raise ScoringError(f"The rows lack {', '.join(missing)}.", remedy="Compute the model's own features.")
        frame = frame.select(self._names)
        for transform in self.transforms:
            frame = frame.with_columns(transform.apply(frame).get_columns())
        return frame.select(list(self.outputs))

    def apply_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The same of a row of Python values, to the same bits; it may have more names than the outputs."""
        transformed = dict(row)
        for transform in self.transforms:
            transform.apply_row(transformed)
        return transformed

    def to_json(self) -> list[dict[str, Any]]:
        """The transforms as finite JSON values."""
        return [{"kind": one.kind, "columns": list(one.columns.items()), **one.to_json()} for one in self.transforms]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> "Chain":
        """What `to_json` wrote."""
        return cls(columns, [_KINDS[one["kind"]].from_json(one, dict(one["columns"])) for one in document])


def fitted(
    declared: Sequence[Mapping[str, Any]], columns: Mapping[str, str], train: pl.DataFrame, target: Target
) -> tuple[Chain, pl.DataFrame]:
    """The transforms of the training part, and what the columns that they read become there.

    declared: the words as their canonical form (`kind` and parameters).
    columns:  the model's, name → polars type. train: those that the words name, in the order of `target`.
    """
    transforms: list[FittedTransform] = []
    now = dict(columns)
    for word in declared:
        own = {name: now[name] for name in word["columns"]}
        transform, outputs = _KINDS[word["kind"]].fit(word, train, own, target)
        clash = [name for name in transform.outputs if name in now and name not in own]
        if clash:
            raise TrainingError(
                f"{word['kind']} would make a second column {clash[0]!r}.", remedy="Rename the one that is declared."
            )
        transforms.append(transform)
        now = _followed(now, transform)
        train = train.drop(word["columns"]).with_columns(outputs.get_columns())
    return Chain(columns, transforms), train


def _followed(columns: Mapping[str, str], transform: FittedTransform) -> dict[str, str]:
    """The columns behind a transform: outputs stand where the column of their name stood, others at the end."""
    remaining = {
        name: dtype for name, dtype in columns.items() if name not in transform.columns or name in transform.outputs
    }
    return {**remaining, **transform.outputs}
