"""Estimated means of a loss by row, for regression and for several classes: the loss as a function of the prediction.

A direct loss estimator: the reference gives the mean loss of each bin of predictions (of the highest P(class), for
classes), and the window says how often each bin occurs. Names of classes play no part.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_platform.errors import EvaluationError
from ml_platform.evaluation.intervals import quantile_of_t
from ml_platform.evaluation.metrics import metrics_of
from ml_platform.monitoring.estimation.answer import Answer, Estimate, NotEstimable, Reason, Refusal
from ml_platform.monitoring.estimation.binary import MAX_BEYOND, MIN_EFFECTIVE, MIN_ROWS
from ml_platform.monitoring.estimation.calibration import MIN_REFERENCE
from ml_platform.monitoring.estimation.sketch import Counts, Floats, bins_of, unsupported
from ml_platform.spec.tasks import Task

LOSS_BINS = 20
ROWS_PER_BIN = 30  # of the reference, at least
_TINY = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class LossReference:
    """Of each bin of predictions: rows, and of each metric the mean, the variance and the sums by block of its loss.

    edges: upper ends of bins. rows: with shape (bins,). means, variances: metric → (bins,).
    residuals: metric → (blocks, bins), the sum of loss minus the bin's mean.
    """

    task: Task
    edges: Floats
    rows: Counts
    means: dict[str, Floats]
    variances: dict[str, Floats]
    residuals: dict[str, Floats]

    @classmethod
    def of(cls, task: Task, labels: Any, scores: Any, classes: Any = (), blocks: Any = None) -> "LossReference":
        """The reference of predictions with their labels; `scores` and `classes` as in `evaluation.metrics`.

        `blocks` as in `BinaryReference`. Raises EvaluationError for no rows or lengths that differ.
        """
        predictions, labels = _predicted(scores), np.asarray(labels)
        if len(predictions) == 0 or len(predictions) != len(labels):
            raise EvaluationError(
                f"A reference of {len(predictions)} scores and {len(labels)} labels.", remedy="Give one label a score."
            )
        blocks = np.arange(len(predictions)) if blocks is None else np.asarray(blocks)
        ordered = np.sort(predictions)
        count = max(1, min(LOSS_BINS, len(predictions) // ROWS_PER_BIN))
        ranks = np.ceil(np.arange(1, count + 1) * len(predictions) / count).astype(int) - 1
        edges = np.unique([np.nextafter(ordered[0], -np.inf), *ordered[ranks]])
        width = len(edges) + 1
        bins, (_, block) = bins_of(predictions, edges), np.unique(blocks, return_inverse=True)
        rows = np.bincount(bins, minlength=width)
        means, variances, residuals = {}, {}, {}
        for name, loss in _losses(task, labels, scores, classes).items():
            mean = np.bincount(bins, loss, minlength=width) / np.maximum(rows, 1)
            rest = loss - mean[bins]
            means[name] = mean
            variances[name] = np.bincount(bins, rest**2, minlength=width) / np.maximum(rows - 1, 1)
            cells = np.bincount(block * width + bins, rest, minlength=(int(block.max()) + 1) * width)
            residuals[name] = cells.reshape(-1, width).astype(np.float64)
        return cls(task, edges, rows, means, variances, residuals)

    def window(self, scores: Any) -> Counts:
        """How many rows of a window each bin has; windows are summed by adding them."""
        return np.bincount(bins_of(_predicted(scores), self.edges), minlength=len(self.edges) + 1)


def estimated(reference: LossReference, window: Counts, blocks: int | None = None) -> dict[str, Answer]:
    """Each metric of the task in a window, estimated, or why it is not; `blocks` as for binary scores."""
    rows, refusal = int(window.sum()), _refusal(reference, window)
    answers = dict[str, Answer]()
    for name in metrics_of(reference.task):
        source = _SOURCES.get(name, name)
        if refusal is not None:
            answers[name] = refusal.of(name, rows)
        elif source not in reference.means:
            answers[name] = NotEstimable(name, Reason.NO_ESTIMATOR, f"{name} is no mean of losses by row", rows)
        else:
            answers[name] = _answer(reference, name, source, window, blocks)
    return answers


def _answer(reference: LossReference, name: str, source: str, window: Counts, blocks: int | None) -> Estimate:
    rows = int(window.sum())
    supported = np.where(reference.rows > 0, window, 0)
    shares = supported / supported.sum()
    value = float(shares @ reference.means[source])
    by_row = float(np.sum(shares**2 * reference.variances[source] / np.maximum(reference.rows, 1)))
    by_block = reference.residuals[source] @ (shares / np.maximum(reference.rows, 1))
    count = len(by_block)
    excess = max(0.0, float(by_block @ by_block) * count / max(1, count - 1) - by_row)
    alone = count in (1, int(reference.rows.sum()))
    if alone:
        excess = 0.0
    noise = float(shares @ reference.variances[source]) / rows
    spread = quantile_of_t(math.inf if alone else max(3, count - 1)) * math.sqrt(
        by_row + excess * (1 + count / max(1, blocks or count)) + noise
    )
    low, high = max(0.0, value - spread), value + spread
    if name == "accuracy":
        high = min(1.0, high)
    if name == "rmse":
        value, low, high = math.sqrt(value), math.sqrt(low), math.sqrt(high)
    return Estimate(name, value, low, high, rows)


_SOURCES = {"rmse": "mse"}  # metric → the loss whose mean it comes from, where the names differ


def _losses(task: Task, labels: Any, scores: Any, classes: Any) -> dict[str, Floats]:
    scores = np.asarray(scores, dtype=float)
    if task == "regression":
        error = np.asarray(labels, dtype=float) - scores
        if not np.isfinite(error).all():
            raise EvaluationError("A label is null, NaN or infinite.", remedy="Give a reference of mature examples.")
        return {"mae": np.abs(error), "mse": error**2}
    position = {label: code for code, label in enumerate(classes)}
    codes = np.array([position.get(label, -1) for label in labels])
    p = np.where(codes >= 0, scores[np.arange(len(codes)), codes], 0.0)
    return {
        "accuracy": (scores.argmax(axis=1) == codes).astype(float),
        "log_loss": -np.log(np.clip(p, _TINY, 1 - _TINY)),
    }


def _predicted(scores: Any) -> Floats:
    predictions: Floats = np.asarray(scores, dtype=float)
    if not np.isfinite(predictions).all():
        raise EvaluationError("A score is NaN or infinite.", remedy="Check the features of those rows.")
    if predictions.ndim == 1:
        return predictions
    return np.asarray(predictions.max(axis=1, initial=0.0))


def _refusal(reference: LossReference, window: Counts) -> Refusal | None:
    rows, of = int(window.sum()), int(reference.rows.sum())
    if of < MIN_REFERENCE:
        return Refusal(Reason.FEW_REFERENCE_ROWS, f"the reference has {of} rows of {MIN_REFERENCE}")
    if rows < MIN_ROWS:
        return Refusal(Reason.FEW_ROWS, f"the window has {rows} rows of {MIN_ROWS}")
    beyond, effective = unsupported(reference.rows, window)
    if beyond > MAX_BEYOND:
        return Refusal(Reason.SEPARABLE, f"{beyond:.0%} of the predictions are beyond those of the reference")
    if effective < MIN_EFFECTIVE:
        return Refusal(
            Reason.SEPARABLE,
            f"only {effective:.0f} reference rows, of {MIN_EFFECTIVE:.0f}, speak for these predictions",
        )
    return None
