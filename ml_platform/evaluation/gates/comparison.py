"""Two models on the same rows, the same groups of them left out of both, so that what they share cancels (S25)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.intervals import Interval, paired_difference
from ml_platform.evaluation.metrics import statistic
from ml_platform.naming import counted
from ml_platform.spec.metrics import higher_is_better

POWER = 2.80  # standard errors of a difference that a 95 % interval detects with 80 % power: 1.96 + 0.84

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
    def detectable(self) -> float | None:
        """The true difference that so many rows detect with 80 % power; None where the interval has no error."""
        return None if self.difference.error is None else POWER * self.difference.error

    def measured(self, metric: str, rival: str, tolerance: float) -> str:
        """What was measured, on what and what is allowed, as a sentence.

        >>> comparison = Comparison(Interval(-0.02, -0.05, 0.01, 0.03), 239)
        >>> print(comparison.measured("roc_auc", "that of orders@3", 0.01))  # doctest: +NORMALIZE_WHITESPACE
        On 239 rows of the holdout, roc_auc is 0.02 worse than that of orders@3
        (95 % interval: 0.05 worse to 0.01 better); up to 0.01 worse is allowed.
        """
        return f"{self.differs(metric, rival)}; {f'up to {tolerance:g}' if tolerance else 'nothing'} worse is allowed."

    def differs(self, metric: str, rival: str) -> str:
        """What was measured, and on what, without a full stop. Only for a difference that has an interval."""
        value, low, high = self.difference.value, self.difference.low, self.difference.high
        assert value is not None and low is not None and high is not None  # the caller looked
        differs = f"{_sided(value)} than {rival}" if value else f"equal to {rival}"
        return (
            f"On {counted(self.rows, 'row')} of the holdout, {metric} is {differs} "
            f"(95 % interval: {_sided(low)} to {_sided(high)})"
        )

    def beats(self, margin: float) -> str:
        """Whether the interval shows more than `margin` in favour, as a sentence.

        >>> Comparison(Interval(0.02, 0.01, 0.03, 0.005), 900).beats(0.0)
        'The whole interval is on the better side: the gate passes.'
        >>> print(Comparison(Interval(0.02, -0.01, 0.05, 0.015), 900).beats(0.0))  # doctest: +NORMALIZE_WHITESPACE
        The interval does not show it better, because 900 rows detect only differences from 0.042 on (80 % power): the
        gate fails.
        """
        assert self.difference.low is not None and self.difference.high is not None  # the caller looked
        wanted = f"better by more than {margin:g}" if margin else "better"
        if self.difference.low > margin:
            where = f"above {margin:g} better" if margin else "on the better side"
            return f"The whole interval is {where}: the gate passes."
        if self.difference.high <= margin:
            return f"The whole interval shows that it is not {wanted}: the gate fails."
        return f"The interval does not show it {wanted}{self._because}: the gate fails."

    @property
    def _because(self) -> str:
        if self.detectable is None:
            return ""
        detect = "row detects" if self.rows == 1 else "rows detect"
        return f", because {self.rows:,} {detect} only differences from {self.detectable:.2g} on (80 % power)"

    def follows(self, tolerance: float, *, passed: bool, settled: str) -> str:
        """What follows from the interval, as a sentence. `settled`: why so where the interval leaves it open.

        >>> comparison = Comparison(Interval(-0.02, -0.05, 0.01, 0.03), 239)
        >>> why = "so the difference itself decides, which is beyond what is allowed"
        >>> print(comparison.follows(0.01, passed=False, settled=why))  # doctest: +NORMALIZE_WHITESPACE
        The interval leaves open whether it is worse than allowed, because 239 rows detect only differences from 0.084
        on (80 % power); so the difference itself decides, which is beyond what is allowed: the gate fails.
        """
        outcome = f"the gate {'passes' if passed else 'fails'}"
        conclusion = self.conclusion(tolerance)
        if conclusion != "undecided":
            where = "within" if conclusion == "shown no worse" else "beyond"
            return f"The whole interval is {where} what is allowed: {outcome}."
        return f"The interval leaves open whether it is worse than allowed{self._because}; {settled}: {outcome}."


def _sided(difference: float) -> str:
    if not difference:
        return "0"
    return f"{abs(difference):.4g} {'better' if difference > 0 else 'worse'}"


def compared(metric: str, ours: Part, scores: npt.NDArray[Any], classes: tuple[str, ...]) -> Comparison:
    """Compare `ours` with `scores` for the same rows. `classes` orders their columns; they may be others than ours."""
    first, second = ours.statistic(metric), statistic(metric, ours.labels.to_numpy(), scores, classes)
    if not higher_is_better(metric):
        first, second = second, first
    return Comparison(paired_difference(first, second, len(ours)), len(ours))
