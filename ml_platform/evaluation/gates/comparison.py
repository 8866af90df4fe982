"""Two models on the same rows, the same groups of them left out of both, so that what they share cancels (S25)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.intervals import Interval, paired_difference
from ml_platform.evaluation.metrics import statistic
from ml_platform.spec.metrics import higher_is_better

POWER = 2.80  # standard errors of a difference that a 95 % interval shows in four of five cases: 1.96 + 0.84

Conclusion = Literal["shown no worse", "shown worse", "undecided"]


@dataclass(frozen=True)
class Comparison:
    """How much better a candidate is than a rival on the same rows, in the good direction of the metric."""

    difference: Interval
    rows: int

    def conclusion(self, tolerance: float) -> Conclusion:
        """What the interval shows. Only for a difference that has one."""
        assert self.difference.low is not None and self.difference.high is not None  # the caller looked
        if self.difference.low > -tolerance:
            return "shown no worse"
        return "shown worse" if self.difference.high < -tolerance else "undecided"

    @property
    def power(self) -> str:
        """What difference these rows can show, as a sentence."""
        if self.difference.error is None:
            return ""
        detectable = POWER * self.difference.error
        return f"{self.rows:,} rows like these show a difference of {detectable:.2g} in four of five cases."


def compared(metric: str, ours: Part, scores: npt.NDArray[Any], classes: tuple[str, ...]) -> Comparison:
    """Compare `ours` with `scores` for the same rows. `classes` orders their columns; they may be others than ours."""
    first, second = ours.statistic(metric), statistic(metric, ours.labels.to_numpy(), scores, classes)
    if not higher_is_better(metric):
        first, second = second, first
    return Comparison(paired_difference(first, second, len(ours)), len(ours))
