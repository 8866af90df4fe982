"""The usual metrics, each as a function of integer weights, so that one code serves the point and its interval.

`statistic` does what depends on labels and scores alone (sorting, losses) once; the result takes one
weight per row and costs one pass. A weight of k counts a row k times.

A metric that these rows do not define is NaN, and `UNDEFINED` says why: nothing is replaced by 0.
Scores are P(true) with shape (n,), P(class) with shape (n, k) in the order of `classes`, or values.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.errors import EvaluationError
from ml_platform.evaluation.ranking import average_precision, dot, roc_auc
from ml_platform.spec.metrics import METRICS

Array = npt.NDArray[Any]
Statistic = Callable[[Array], float]  # weights with shape (n,) → the metric, or NaN

THRESHOLD = 0.5  # a binary decision is "true" above it, strictly; the likelier class as in argmax

UNDEFINED = {
    "accuracy": "there are no rows",
    "precision": f"no score is above {THRESHOLD}",
    "recall": "no label is true",
    "f1": f"no label is true and no score is above {THRESHOLD}",
    "roc_auc": "the labels are of one class",
    "average_precision": "no label is true",
    "brier": "there are no rows",
    "log_loss": "there are no rows",
    "macro_f1": "there are no rows",
    "min_class_recall": "there are no rows",
    "mae": "there are no rows",
    "rmse": "there are no rows",
    "r2": "the labels do not vary",
}


def metric(name: str, labels: Any, scores: Any, *, classes: Sequence[str] = (), weights: Array | None = None) -> float:
    """One metric, NaN when these rows do not define it (`UNDEFINED` says why).

    Raises EvaluationError for lengths that differ and for null, NaN or infinite labels and scores.

    >>> metric("roc_auc", [False, True, True], [0.1, 0.4, 0.8])
    1.0
    """
    computed = statistic(name, labels, scores, classes)
    return computed(np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float))


def scorecard(task: str, labels: Any, scores: Any, classes: Sequence[str] = ()) -> dict[str, float | None]:
    """Every metric of the task, and with classes the recall of each; None where these rows do not define it."""
    values = {name: metric(name, labels, scores, classes=classes) for name in metrics_of(task)}
    if classes:
        labels, decided = np.asarray(labels), decisions(task, scores, classes)
        values |= {f"recall of {name}": float(np.mean(decided[labels == name] == name)) for name in np.unique(labels)}
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def metrics_of(task: str) -> list[str]:
    """The names of the metrics of a task."""
    return [name for name, (tasks, *_) in METRICS.items() if task in tasks]


def decisions(task: str, scores: Any, classes: Sequence[str] = ()) -> Array:
    """What the scores say: booleans (`THRESHOLD`), the likelier class (the first of equals), or the values."""
    scores = np.asarray(scores)
    if task == "binary":
        return np.asarray(scores > THRESHOLD)
    return np.asarray(np.asarray(classes)[scores.argmax(axis=1)] if task == "multiclass" else scores)


def statistic(name: str, labels: Any, scores: Any, classes: Sequence[str] = ()) -> Statistic:
    """The metric as a function of weights. With `classes` the labels are theirs, otherwise Boolean or numbers."""
    scores = np.asarray(scores, dtype=float)
    labels = np.asarray(labels)
    if len(labels) != len(scores):
        raise EvaluationError(f"{name}: {len(labels)} labels and {len(scores)} scores.", remedy="Give one score a row.")
    if not np.isfinite(scores).all():
        raise EvaluationError(
            f"{name}: {int((~np.isfinite(scores)).sum())} scores are NaN or infinite.",
            remedy="Check the features of those rows.",
        )
    if classes:
        codes, scores = _coded(name, labels, scores, classes)
        return _CLASSES[name](codes, scores)
    try:
        numbers = labels.astype(float)
    except (TypeError, ValueError):
        raise EvaluationError(
            f"{name}: labels of type {labels.dtype} without classes.", remedy="Give the classes of a multiclass task."
        ) from None
    if not np.isfinite(numbers).all():
        raise EvaluationError(f"{name}: a label is null, NaN or infinite.", remedy="Judge mature examples only.")
    if name in _REGRESSION:
        return _REGRESSION[name](numbers, scores)
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise EvaluationError(f"{name}: a label is neither true nor false.", remedy="Give the classes.")
    return _BINARY[name](numbers, scores)


def proportion(name: str, labels: Any, scores: Any, classes: Sequence[str] = ()) -> tuple[int, int] | None:
    """Of a metric that is a share of rows: how many of how many. None for the other metrics.

    >>> proportion("recall", [True, True, False], [0.9, 0.2, 0.1])
    (1, 2)
    """
    if name not in ("accuracy", "precision", "recall"):
        return None
    labels, scores = np.asarray(labels), np.asarray(scores)
    right = decisions("multiclass" if classes else "binary", scores, classes) == labels
    among = {"accuracy": np.ones(len(labels), dtype=bool)}
    if name != "accuracy":
        among = {"precision": scores > THRESHOLD, "recall": labels.astype(bool)}
    return int((right & among[name]).sum()), int(among[name].sum())


def _coded(name: str, labels: Array, scores: Array, classes: Sequence[str]) -> tuple[Array, Array]:
    """Labels as positions in `classes`; a label that the model never saw gets a column of its own, with P = 0."""
    all_classes = [*classes, *sorted(set(labels.tolist()) - set(classes), key=str)]
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        raise EvaluationError(
            f"{name}: scores of shape {scores.shape} for {len(classes)} classes.", remedy="Give one column a class."
        )
    if None in all_classes:
        raise EvaluationError(f"{name}: a label is null.", remedy="Judge mature examples only.")
    position = {label: code for code, label in enumerate(all_classes)}
    codes = np.fromiter((position[label] for label in labels.tolist()), dtype=np.int64, count=len(labels))
    unseen = np.zeros((len(scores), len(all_classes) - len(classes)))
    return codes, np.hstack([scores, unseen])


def _mean(values: Array) -> Statistic:
    values = np.asarray(values, dtype=float)

    def weighted(weights: Array) -> float:
        total = weights.sum()
        return dot(weights, values) / float(total) if total > 0 else math.nan

    return weighted


def _ratio(above: Array, below: Array) -> Statistic:
    """Weighted sum of `above` over that of `below`, NaN over 0."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)

    def weighted(weights: Array) -> float:
        divisor = dot(weights, below)
        return dot(weights, above) / divisor if divisor > 0 else math.nan

    return weighted


def _clipped(p: Array) -> Array:
    """Away from 0 and 1 by the float64 epsilon, as scikit-learn's log_loss does."""
    epsilon = np.finfo(float).eps
    return np.clip(p, epsilon, 1 - epsilon)


def _binary_log_loss(y: Array, p: Array) -> Statistic:
    """Mean of -ln P(label); Bishop, Pattern Recognition and Machine Learning, eq. 4.90."""
    return _mean(-np.log(np.where(y == 1, _clipped(p), 1 - _clipped(p))))


def _f1(y: Array, p: Array) -> Statistic:
    """2 TP / (2 TP + FP + FN): harmonic mean of precision and recall (van Rijsbergen 1979)."""
    decided = p > THRESHOLD
    return _ratio(2 * (decided & (y == 1)), decided.astype(float) + y)


def _macro_f1(codes: Array, p: Array) -> Statistic:
    """Unweighted mean of F1 over the classes that occur among labels or decisions of the weighted rows."""
    decided, width = p.argmax(axis=1), p.shape[1]
    right = decided == codes

    def weighted(weights: Array) -> float:
        hits = np.bincount(codes[right], weights[right], minlength=width)
        all_of = np.bincount(codes, weights, minlength=width) + np.bincount(decided, weights, minlength=width)
        occurs = all_of > 0
        return float(np.mean(2 * hits[occurs] / all_of[occurs])) if occurs.any() else math.nan

    return weighted


def _min_class_recall(codes: Array, p: Array) -> Statistic:
    """The recall of the class that is found worst, of those that occur among the labels of the weighted rows."""
    right, width = p.argmax(axis=1) == codes, p.shape[1]

    def weighted(weights: Array) -> float:
        hits = np.bincount(codes[right], weights[right], minlength=width)
        labels = np.bincount(codes, weights, minlength=width)
        occurs = labels > 0
        return float(np.min(hits[occurs] / labels[occurs])) if occurs.any() else math.nan

    return weighted


def _rmse(y: Array, p: Array) -> Statistic:
    """Root of the mean squared error."""
    squared = _mean((y - p) ** 2)
    return lambda weights: math.sqrt(squared(weights))


def _r2(y: Array, p: Array) -> Statistic:
    """1 - SS(residual) / SS(total), the total around the weighted mean; undefined when the labels are equal."""
    residual = (y - p) ** 2

    def weighted(weights: Array) -> float:
        present = y[weights > 0]
        if len(present) < 2 or present.min() == present.max():
            return math.nan
        total = dot(weights, (y - dot(weights, y) / weights.sum()) ** 2)
        return 1 - dot(weights, residual) / total if total > 0 else math.nan

    return weighted


_BINARY: dict[str, Callable[[Array, Array], Statistic]] = {
    "accuracy": lambda y, p: _mean((p > THRESHOLD) == (y == 1)),
    "precision": lambda y, p: _ratio((p > THRESHOLD) & (y == 1), p > THRESHOLD),
    "recall": lambda y, p: _ratio((p > THRESHOLD) & (y == 1), y),
    "f1": _f1,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "brier": lambda y, p: _mean((y - p) ** 2),  # Brier 1950, for two classes halved
    "log_loss": _binary_log_loss,
}
_CLASSES: dict[str, Callable[[Array, Array], Statistic]] = {
    "accuracy": lambda codes, p: _mean(p.argmax(axis=1) == codes),
    "log_loss": lambda codes, p: _mean(-np.log(_clipped(p[np.arange(len(codes)), codes]))),
    "macro_f1": _macro_f1,
    "min_class_recall": _min_class_recall,
}
_REGRESSION: dict[str, Callable[[Array, Array], Statistic]] = {
    "mae": lambda y, p: _mean(np.abs(y - p)),
    "rmse": _rmse,
    "r2": _r2,
}
