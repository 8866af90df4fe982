"""Gates that compare a candidate: with the champion, with a linear baseline, with itself on train (S25)."""

import math
from dataclasses import field
from typing import Literal

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_gate import MetricGate, Severity
from ml_platform.spec.training import Linear
from ml_platform.spec.vocabulary import word


@word
class NoWorseThanChampion(MetricGate):
    """The candidate is no worse than the champion by more than `tolerance`, as far as the holdout can tell (S25).

    Both score the holdout, and the 95 % interval of the difference, in the good direction of the metric, comes from a
    paired jackknife: groups of rows are left out of both. Three outcomes:

    - shown no worse: the whole interval is above -`tolerance`. It passes.
    - shown worse: the whole interval is below -`tolerance`. It fails.
    - undecided: the interval holds -`tolerance`. `undecided` settles it, and the verdict says what difference the rows
      could have shown.

    Without a champion the candidate passes.

    Args:
        metric: A metric of the task.
        tolerance: In units of the metric; 0 or more.
        undecided: "point" passes a candidate whose difference itself is within the tolerance, "pass" every one, "fail"
            none.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an unknown metric or a tolerance below 0.

    >>> NoWorseThanChampion("roc_auc", tolerance=0.01).phrase
    "roc_auc no worse than the champion's by 0.01"
    """

    metric: str
    tolerance: float = 0.0
    undecided: Literal["point", "pass", "fail"] = "point"
    severity: Severity = "block"

    error_rates = (
        "by simulation, at 2,000 holdout rows, a ROC AUC of .75, scores that correlate by .9 and a tolerance of .01, "
        "an equal model is refused in 3 to 7 % of cases, and one worse by three tolerances is promoted in under 1 %."
    )
    why = "The candidate and the version that serves are compared on the same rows, so that what they share cancels."

    def __post_init__(self) -> None:
        self._check_metric()
        self._check_tolerance(self.tolerance)

    @property
    def unkeyed(self) -> frozenset[str]:
        """Also `undecided` while it is the default, so that gates of older lakes keep their keys."""
        return super().unkeyed | ({"undecided"} if self.undecided == "point" else frozenset())

    @property
    def phrase(self) -> str:
        """Such as "roc_auc no worse than the champion's by 0.01"."""
        return f"{self.metric} no worse than the champion's by {self.tolerance:g}"


@word
class NoWorseThanBaseline(MetricGate):
    """The candidate passes unless it is shown to be worse than a linear model by more than `tolerance`.

    Where the holdout cannot tell (undecided), it passes. It fails when the whole 95 % interval of
    the difference, by the same jackknife, is below -`tolerance`, and without rows of the training part. The baseline is
    `Linear()` with the same columns, fitted on at most 50,000 rows of that part, evenly spread, and not kept.

    Args:
        metric: A metric of the task.
        tolerance: By how much the baseline may be shown better, in units of the metric; 0 or more.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an unknown metric or a tolerance below 0.

    >>> NoWorseThanBaseline("roc_auc", tolerance=0.01).phrase
    "roc_auc not shown worse than a linear baseline's by more than 0.01"
    """

    metric: str
    tolerance: float = 0.0
    severity: Severity = "block"

    why = "A linear model of the same columns costs little to train, serve and explain; a model has to be worth more."

    def __post_init__(self) -> None:
        self._check_metric()
        self._check_tolerance(self.tolerance)

    @property
    def phrase(self) -> str:
        """Such as "roc_auc not shown worse than a linear baseline's by more than 0.01"."""
        return f"{self.metric} not shown worse than a linear baseline's by more than {self.tolerance:g}"


@word
class BeatsBaseline(MetricGate):
    """The candidate is shown to be better than a linear model by more than `margin`: undecided blocks (S65).

    The baseline is fitted on the whole training part and the columns of the candidate, and not kept. It passes when the
    whole 95 % interval of the difference, by the same jackknife, is above `margin`, and fails otherwise, also where the
    holdout has too few rows to tell.

    Args:
        metric: A metric of the task.
        baseline: The linear model.
        margin: By how much the candidate has to be shown better, in units of the metric; 0 or more.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an unknown metric or a margin below 0.

    >>> BeatsBaseline("roc_auc", margin=0.01).phrase
    "roc_auc shown better than a linear baseline's by more than 0.01"
    """

    metric: str
    baseline: Linear = field(default_factory=Linear)
    margin: float = 0.0
    severity: Severity = "block"

    why = "A model that is not shown to beat a line does not pay for what it costs to train, serve and explain."

    def __post_init__(self) -> None:
        self._check_metric()
        if not 0 <= self.margin < math.inf:
            raise DeclarationError(self._call, f"margin={self.margin} is no number from 0 on", remedy="Give 0 or more.")

    @property
    def phrase(self) -> str:
        """Such as "roc_auc shown better than a linear baseline's by more than 0.01"."""
        by = f" by more than {self.margin:g}" if self.margin else ""
        return f"{self.metric} shown better than a linear baseline's{by}"


@word
class OverfitGap(MetricGate):
    """The metric on the training part exceeds that on the holdout by at most `at_most`, in its good direction.

    Args:
        metric: A metric of the task.
        at_most: The largest gap that passes, in units of the metric; above 0.
        severity: "block" for a gap that keeps a candidate from serving. By default it is a warning: a large gap does
            not tell that the model is bad on new data, and the floors judge that.

    Raises:
        DeclarationError: For an unknown metric or a gap that is not above 0.

    >>> OverfitGap("roc_auc", 0.1).phrase
    'roc_auc on train better than on holdout by at most 0.1'
    """

    metric: str
    at_most: float
    severity: Severity = "warn"

    why = "A model that is much better on what it has seen than on what it has not has learnt by heart."

    def __post_init__(self) -> None:
        self._check_metric()
        if self.at_most <= 0:
            raise DeclarationError(
                self._call,
                f"at_most={self.at_most} is not above 0",
                remedy="Some gap is normal; 0.05 to 0.15 is usual for a ROC AUC.",
            )

    @property
    def phrase(self) -> str:
        """Such as "roc_auc on train better than on holdout by at most 0.1"."""
        return f"{self.metric} on train better than on holdout by at most {self.at_most:g}"
