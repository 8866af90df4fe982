"""The matrix of a backtest: the model of each partition on each later partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class TrainingRow:
    """What a training at the end of a partition gives.

    lacking:  why there is too little to train on; empty when a model was fitted.
    labelled: labels known by then. seconds: what the fit took. holdout: the headline metric on its holdout.
    """

    lacking: str
    labelled: int
    seconds: float = 0.0
    holdout: float | None = None


@dataclass(frozen=True)
class Cell:
    """A model on a later partition.

    value: the headline metric by all labels known today; None: undefined. Only results use it, never decisions.
    known: the same by the labels known at the end of the partition; None: undefined then.
    drift: weighted drift against the model's training data. moved: important columns that drifted, with their PSI.
    """

    value: float | None
    known: float | None
    drift: float | None = None
    moved: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """All cells, by position: (trained after, scored), the first before the second.

    ends: the ends of the partitions, UTC. higher: whether more of the metric is better.
    """

    metric: str
    higher: bool
    partitions: Sequence[str]
    ends: Sequence[datetime]
    trainings: Sequence[TrainingRow]
    cells: Mapping[tuple[int, int], Cell]

    @property
    def first(self) -> int | None:
        """The position of the first partition that a model can be trained after, if any."""
        return next((i for i, row in enumerate(self.trainings) if not row.lacking), None)

    @property
    def judged(self) -> list[int]:
        """Positions of the partitions on which policies are compared: every model has a metric there."""
        first = self.first
        if first is None:
            return []
        return [
            j
            for j in range(first + 1, len(self.partitions))
            if all(self.cells[i, j].value is not None for i in range(first, j) if not self.trainings[i].lacking)
        ]

    def gain(self, trained: int, scored: int) -> float:
        """The metric of a cell with the sign that makes more better."""
        value = self.cells[trained, scored].value
        assert value is not None  # of a judged partition
        return value if self.higher else -value
