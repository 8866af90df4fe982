"""Overfit, underfit or fine, in words, by numbers that are beyond noise (S61)."""

from typing import Literal

import numpy as np

from ml_platform.evaluation.candidate import Part
from ml_platform.spec.tasks import Task

Fit = Literal["overfit", "underfit", "fine", "undecided"]

_SIMPLER = "try fewer leaves or a smaller depth, more examples in a leaf, early_stopping=, Select(…) or more data"
_RICHER = "try features that say more, more leaves, rounds or another trainer; check the label and its clock"


def fit_of(task: Task, holdout: Part, gap_low: float | None, gap_high: float | None, at_most: float) -> Fit:
    """How a model fits, from the 95 % interval of its gap between training and holdout, and its holdout.

    "overfit": the whole interval is above `at_most`. "underfit": it is not, and the model is not shown to be better
    than a constant answer. "undecided": the interval has `at_most` inside, or there is none. So a gate that allows a
    gap of `at_most` never passes what is called overfit, and never fails what is called fine.
    """
    if gap_low is not None and gap_low > at_most:
        return "overfit"
    if has_skill(task, holdout) is False:
        return "underfit"
    if gap_low is None or gap_high is None or gap_high > at_most:
        return "undecided"
    return "fine"


def has_skill(task: Task, holdout: Part) -> bool | None:
    """Whether the model is shown to be better than the best constant answer; None where the rows cannot tell.

    By the lower end of ROC AUC against 0.5, of R² against 0, and of accuracy against the share of the largest class.
    """
    metric, level = {"binary": ("roc_auc", 0.5), "regression": ("r2", 0.0)}.get(task, ("accuracy", 0.0))
    if task == "multiclass" and len(holdout):
        level = float(np.max(np.unique(holdout.labels.to_numpy(), return_counts=True)[1]) / len(holdout))
    low = holdout.interval(metric).low
    return None if low is None else low > level


def in_words(fit: Fit) -> str:
    """What to do about it, as a sentence.

    >>> in_words("fine")
    'Fit: fine.'
    """
    return {
        "overfit": f"Fit: overfit, beyond noise; {_SIMPLER}.",
        "underfit": f"Fit: underfit, not shown to be better than a constant answer; {_RICHER}.",
        "undecided": "Fit: undecided; so few rows of the holdout cannot tell the gap from the bound.",
        "fine": "Fit: fine.",
    }[fit]
