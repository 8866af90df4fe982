"""The protocol of a fitted transform, and what one is fitted on.

One module beside this one implements a few words; `ml_platform.models.transforms.chain` lists their classes by word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]
Origins = Mapping[str, Mapping[str, float]]  # column → columns that it came of → shares, which sum up to 1


@dataclass(frozen=True)
class Folds:
    """Which training examples a label may inform.

    position: by row the place of its time among all (equal times have equal places), of its group, or a shuffled one.
    size:     one more than the greatest position.
    ordered:  whether an example may know of those in earlier folds only.
    """

    position: npt.NDArray[np.intp]
    size: int
    ordered: bool

    def ids(self, count: int) -> npt.NDArray[np.intp]:
        """By row its fold, 0 to `count` - 1: about equally many positions each."""
        return self.position * count // self.size


@dataclass(frozen=True)
class Target:
    """The labels of the training part, shape (n, outputs): 0 or 1 for binary and of each class, else the value."""

    values: Array
    folds: Folds


class FittedTransform(Protocol):
    """A transform with what it learnt from the training part. It may be shared between threads.

    A number that is null, NaN or infinite is missing, and so is a category that training lacks.

    kind:    the word of the declaration.
    columns: name → polars type of what it reads.
    outputs: name → polars type of what takes their place.
    origins: of its outputs among its columns.
    """

    kind: ClassVar[str]
    columns: Mapping[str, str]
    outputs: Mapping[str, str]
    origins: Origins

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        """The transform of the training part, and its outputs there: out of fold where it learns from labels.

        `declared` has the word's parameters as JSON values. `frame` has `columns` of the training part in its order.
        Raises ScoringError for a column of another type.
        """

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Its outputs for the rows of a frame. Raises ScoringError for a column that is missing or of another type."""

    def apply_row(self, row: dict[str, Any]) -> None:
        """Put its outputs into a row of Python values, to the same bits (S13); numbers are floats, NaN is missing."""

    def to_json(self) -> dict[str, Any]:
        """What it learnt, as finite JSON values."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        """What `to_json` wrote."""


def own_origins(outputs: Mapping[str, str]) -> Origins:
    """Those of columns that each came of the one of the same name."""
    return {name: {name: 1.0} for name in outputs}


def free_name(wanted: str, taken: Mapping[str, Any]) -> str:
    """`wanted`, with as many marks behind it as it takes to be the name of no other column."""
    while wanted in taken:
        wanted += "'"
    return wanted
