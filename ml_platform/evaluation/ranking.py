"""Metrics of order: ROC AUC and average precision. They sort once, then cost one pass per set of weights."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def dot(first: Array, second: Array) -> float:
    """Sum of products without BLAS, whose threads change the last bits and fight over cores."""
    return float(np.einsum("i,i->", first, second))


def roc_auc(labels: Array, scores: Array) -> Callable[[Array], float]:
    """P(a positive scores above a negative), ties count half: Mann and Whitney's U / (P N) (Fawcett 2006, §7).

    `labels` are 0 or 1. NaN when the weighted rows are of one class.
    """
    positive = np.flatnonzero(labels == 1)
    negative = np.flatnonzero(labels != 1)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    ordered = scores[negative]
    # Of the sorted negatives, how many are below each positive, and how many are not above it.
    below = np.searchsorted(ordered, scores[positive], side="left")
    not_above = np.searchsorted(ordered, scores[positive], side="right")

    def weighted(weights: Array) -> float:
        mine = weights[positive]
        summed = np.zeros(len(negative) + 1)
        np.cumsum(weights[negative], out=summed[1:])
        pairs = mine.sum() * summed[-1]
        return dot(mine, summed[below] + summed[not_above]) / float(2 * pairs) if pairs > 0 else math.nan

    return weighted


def average_precision(labels: Array, scores: Array) -> Callable[[Array], float]:
    """Sum over falling thresholds of (gain in recall) x precision, without interpolation.

    Equal scores are one threshold, as in scikit-learn's average_precision_score. `labels` are 0 or
    1. NaN without a positive.
    """
    order = np.argsort(-scores, kind="stable")
    hits = labels[order] == 1
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1) if len(order) else np.zeros(0, np.int64)

    def weighted(weights: Array) -> float:
        sorted_weights = weights[order]
        true = np.cumsum(sorted_weights * hits)[ends]
        if not len(true) or true[-1] <= 0:
            return math.nan
        retrieved = np.cumsum(sorted_weights)[ends]
        precision = np.divide(true, retrieved, out=np.zeros(len(true)), where=retrieved > 0)
        return dot(np.diff(true, prepend=0.0), precision) / float(true[-1])

    return weighted
