"""The protocol of a model library: a trainer that fits a declared configuration, and a model that scores.

One module of this package implements both for one library and calls its trainer `TRAINER`;
`ml_platform.models.registry` finds it. Nothing else of the platform asks which library a model is of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task


@dataclass(frozen=True)
class Signature:
    """What a model reads and answers, whatever library it is of.

    task:    binary, multiclass or regression.
    columns: model column → polars type, in the model's order.
    levels:  text column → the sorted categories of the train part; a code is a position in the list.
    classes: the text labels in the order of the scores for multiclass, else empty.
    """

    task: Task
    columns: Mapping[str, str]
    levels: Mapping[str, Sequence[str]]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class FitReport:
    """The report of a fit, as JSON values.

    parameters:  those that were used, with what fitting itself decided (the rounds kept).
    evaluations: metric → value on the validation part; empty when it was not used.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    evaluations: Mapping[str, float] = field(default_factory=dict)


class Model(Protocol):
    """A fitted model. It may be shared between threads.

    format:       short name of its bytes, such as "lightgbm-text"; a bundle stores it.
    libraries:    distributions whose version may change its bytes or scores: part of content keys (S31).
    reproducible: whether the same training gives the same bytes on one machine (S16).
    report:       what fitting told; empty for a model that was loaded.
    """

    format: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    reproducible: ClassVar[bool]
    signature: Signature
    report: FitReport

    def predict(self, frame: pl.DataFrame, *, threads: int = 0) -> npt.NDArray[np.float64]:
        """P(true) or the value, shape (n,); P(class) in `classes` order, shape (n, classes), for multiclass.

        `frame` may be empty and hold more columns, in any order. Null, NaN and a category that was
        not learnt are missing values. `threads` 0 means all cores. Raises ScoringError for a column
        that is missing or of another type.
        """

    def predict_row(self, row: Mapping[str, Any]) -> float | list[float]:
        """The same for one row of Python values, to the same bits (S13); None is null."""

    def importance(self) -> dict[str, float]:
        """Each model column's share (0 to 1) of what the model looks at, greatest first; all 0 if at nothing."""

    def to_bytes(self) -> bytes:
        """The model without its signature. Equal models have equal bytes; there is no pickle in them."""

    @classmethod
    def from_bytes(cls, data: bytes, signature: Signature) -> Self:
        """What `to_bytes` wrote."""


TrainerVersion = int | list[Any]  # of a trainer that is made of trainers: its own, then theirs


@runtime_checkable
class Contributing(Protocol):
    """What a model may offer besides: how much each column moved a prediction."""

    def contributions(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """By row, class and model column, shape (n, max(1, classes), columns): what the column added to the margin.

        The margin is the log-odds for binary, the score before the softmax for multiclass, the value for
        regression; contributions and the model's mean margin sum up to it. `frame` is as for `Model.predict`.
        """


@runtime_checkable
class Quantiled(Protocol):
    """What a model of a number may offer besides: values of several levels, of which the median is what it predicts."""

    @property
    def levels(self) -> tuple[float, ...]:
        """Rising, between 0 and 1, with .5 among them."""

    def quantiles(self, frame: pl.DataFrame, *, threads: int = 0) -> npt.NDArray[np.float64]:
        """By row the value of each level, rising, shape (n, levels). `frame` is as for `Model.predict`."""

    def quantiles_of_row(self, row: Mapping[str, Any]) -> list[float]:
        """The same for one row, to the same bits (S13)."""


class Trainer(Protocol):
    """Fits the models of one library, or one of other trainers' models."""

    @property
    def models(self) -> tuple[type[Model], ...]:
        """The classes of what it fits that are its own, each with a format of its own."""

    def libraries(self, declared: Any) -> tuple[str, ...]:
        """Distributions whose version may change what it fits: part of a candidate's content key (S31)."""

    def code_version(self, declared: Any, task: Task) -> TrainerVersion:
        """Of how it fits; part of a candidate's content key (S31). Raise it to train anew."""

    def config(self, declared: Any, task: Task) -> dict[str, Any]:
        """All that `fit` needs besides data, as JSON values, of the declared word (`LightGBM(…)`).

        It is stored in the bundle, so that a version can be made again. `parameters` among them are for people, and
        `trainer` is the word where the model's format does not tell it. Raises TrainingError for what the library does
        not know or the task forbids.
        """

    def uses_validation(self, declared: Any) -> bool:
        """Whether fitting looks at the validation part, so that its labels must differ."""

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """Fit on the train part; the holdout is never read. `threads` 0 means all cores.

        Raises TrainingError for labels that are null, NaN, infinite or all the same, and for
        what the library refuses.
        """


def ranked(shares: Mapping[str, float]) -> dict[str, float]:
    """`shares` divided by their sum, greatest first, then by name; zeros stay zeros.

    >>> ranked({"hour": 1.0, "km": 3.0})
    {'km': 0.75, 'hour': 0.25}
    """
    total = sum(shares.values()) or 1.0
    return dict(sorted(((name, share / total) for name, share in shares.items()), key=lambda item: (-item[1], item[0])))
