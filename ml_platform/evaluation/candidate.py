"""The input of gates: a trained version, its data and the champion that it is compared with."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.intervals import Interval, interval, share
from ml_platform.evaluation.metrics import Statistic, proportion, statistic
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import Linear
from ml_platform.validation.provenance import Movements

Array = npt.NDArray[Any]


class Scorer(Protocol):
    """What scores: `registry.bundle.Predictor`, or anything like it. `classes` order its columns; () for one score."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The text labels of a multiclass task."""

    def scores(self, frame: pl.DataFrame) -> Array:
        """One score a row: P(true) or the value with shape (n,), P(class) with shape (n, classes)."""

    def score_row(self, row: Mapping[str, Any]) -> Any:
        """The same for one row."""


@dataclass(frozen=True)
class ColumnOrigins:
    """Where the columns of the examples' table come from, and what else tells how an input was known.

    outcomes: columns of the table that the label reads; empty for a label in another table.
    known_at: the declared clock of outcomes; None where none is declared or the label has another table.
    assumed:  table of a Lookup → the share of examples for which its first version stands for the time before it.
    """

    movements: Movements
    at: str | None
    keys: tuple[str, ...]
    inputs: tuple[str, ...]
    outcomes: tuple[str, ...]
    known_at: str | None
    assumed: Mapping[str, float]


class Compared(Protocol):
    """The outcome of a parity run."""

    @property
    def compared(self) -> int:
        """How many examples were replayed."""

    @property
    def differing(self) -> int:
        """How many of them gave other bits."""

    @property
    def detail(self) -> str:
        """Which, in a sentence."""


class Reproduced(Protocol):
    """The outcome of training again."""

    @property
    def identical(self) -> bool:
        """Whether the bytes were the same."""

    @property
    def detail(self) -> str:
        """The two hashes or the reason, in a sentence."""


@dataclass(frozen=True)
class Rows:
    """Examples of a training set with their labels, row by row.

    `frame` holds the model's columns and those that form segments for gates. `classes` orders the scores of
    a multiclass task; it is empty otherwise.
    """

    frame: pl.DataFrame
    labels: pl.Series
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def thinned(self, limit: int) -> "Rows":
        """At most `limit` of the rows, evenly spread."""
        step = max(1, math.ceil(len(self) / limit))
        return Rows(self.frame.gather_every(step), self.labels.gather_every(step), self.classes)

    def scored(self, scorer: Scorer) -> "Part":
        """The rows with what the model says of them."""
        return Part(self.frame, self.labels, self.classes, scorer.scores(self.frame))


@dataclass(frozen=True)
class Part(Rows):
    """Rows and the scores of one model for them."""

    scores: Array

    def where(self, mask: Array) -> "Part":
        """The rows of a Boolean mask."""
        kept = pl.Series(mask)
        frame = self.frame.filter(kept) if self.frame.width else self.frame  # without columns it has no height
        return Part(frame, self.labels.filter(kept), self.classes, self.scores[mask])

    def statistic(self, metric: str) -> Statistic:
        """The metric of these rows as a function of weights."""
        return statistic(metric, self.labels.to_numpy(), self.scores, self.classes)

    def interval(self, metric: str) -> Interval:
        """The metric with its 95 % interval; computed once."""
        if metric not in self._intervals:
            counts = proportion(metric, self.labels.to_numpy(), self.scores, self.classes)
            self._intervals[metric] = share(*counts) if counts else interval(self.statistic(metric), len(self), metric)
        return self._intervals[metric]

    def of_class(self, name: str) -> "Part":
        """The rows whose label is that class; their accuracy is its recall."""
        return self.where((self.labels == name).to_numpy())

    def value(self, metric: str) -> float:
        """The metric without an interval; NaN where these rows do not define it."""
        return self.statistic(metric)(np.ones(len(self)))

    @cached_property
    def _intervals(self) -> dict[str, Interval]:
        return {}


class Baseline(Protocol):
    """A model that is fitted to be compared with, and not kept."""

    @property
    def classes(self) -> tuple[str, ...]:
        """As of a Scorer."""

    def scores(self, frame: pl.DataFrame) -> Array:
        """As of a Scorer."""


@dataclass(frozen=True)
class Champion:
    """The version that serves. `cut_off`: no example of its training is later (S25); None without time.

    `split` is the content key of its Split. `holdout` is the candidate's holdout with the
    champion's features, when these differ from the candidate's; its rows are in the same order.
    """

    version: int
    predictor: Scorer
    cut_off: datetime | None
    split: str
    holdout: pl.DataFrame | None = None


class Evidence(StrEnum):
    """What gates may ask of a candidate besides its holdout; each names a field of Candidate."""

    TRAIN = "train"
    PROVENANCE = "provenance"
    CHAMPION = "champion"
    REPLAY = "parity"
    REPRODUCTION = "reproduce"
    BASELINE = "baseline"


@dataclass(frozen=True)
class Candidate:
    """A version to be judged.

    `columns` are the model's; `cut_off` and `holdout_start` are the end of what trained it
    (validation included) and the first prediction time of its holdout, None without time;
    `bundle_bytes` is the size of its blob, `snapshot` the digest of its training set; `importance`
    is each column's share. `train` holds rows of the training part; `parity` is given a number of
    examples; `baseline` fits a linear model on the whole training part. Without `train`, `reproduce`, `parity`,
    `baseline` or `provenance` the gates that ask for them fail for lack of evidence.
    """

    pipeline: str
    version: int
    task: Task
    columns: tuple[str, ...]
    predictor: Scorer
    holdout: Part
    snapshot: str
    bundle_bytes: int
    cut_off: datetime | None
    holdout_start: datetime | None
    split: str
    importance: Mapping[str, float] = field(default_factory=dict)
    train: Rows | None = None
    champion: Champion | None = None
    reproduce: Callable[[], Reproduced] | None = None
    parity: Callable[[int], Compared] | None = None
    provenance: Callable[[], ColumnOrigins] | None = None
    baseline: Callable[[Linear], Baseline] | None = None


@dataclass(frozen=True)
class Finding:
    """What a gate measured, before it becomes a verdict. An empty `slice` is the gate's outcome.

    `measured` is False where there was nothing to measure, so that it may be judged again. With `passed` None the
    machine allowed no measurement: promotion waits for one.
    """

    metric: str
    passed: bool | None
    detail: str
    value: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    slice: str = ""
    about: str = ""  # what the slice is, in words of the gate; empty for the gate's own
    measured: bool = True
