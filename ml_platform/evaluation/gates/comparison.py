"""Two models on the same rows, resampled together, so that what they share cancels."""

from typing import Any

import numpy.typing as npt

from ml_platform.evaluation.bootstrap import Interval, paired_difference
from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.metrics import statistic
from ml_platform.spec.metrics import higher_is_better


def advantage(metric: str, ours: Part, scores: npt.NDArray[Any], classes: tuple[str, ...]) -> Interval:
    """How much better `ours` is than `scores` for the same rows, in the good direction of the metric.

    `classes` orders the columns of `scores`; they may be others than ours.
    """
    first, second = ours.statistic(metric), statistic(metric, ours.labels.to_numpy(), scores, classes)
    if not higher_is_better(metric):
        first, second = second, first
    return paired_difference(first, second, len(ours))
