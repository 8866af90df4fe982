"""Estimated metrics of binary scores: the cells of the confusion matrix are random variables (arXiv 2505.05295).

How many labels of a bin are true is binomial, with a probability that the calibration gives and is itself uncertain of.
Each draw of all bins gives the cells at every threshold, and from them every metric; the draws give the interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_platform.errors import EvaluationError
from ml_platform.evaluation.metrics import THRESHOLD
from ml_platform.monitoring.estimation.answer import Answer, Estimate, NotEstimable, Reason, Refusal
from ml_platform.monitoring.estimation.calibration import Calibration, calibrated
from ml_platform.monitoring.estimation.sketch import Floats, Sketch, edges_of, unsupported

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss")
MIN_ROWS = 50  # of a window
MIN_EFFECTIVE = 100.0  # reference rows that speak for a window
MAX_BEYOND = 0.1  # share of a window beyond the reference
DRAWS = 1000
_SEED = 48  # the same window has the same estimate
_MAX_UNDEFINED = 0.05  # share of draws in which a metric is undefined


@dataclass(frozen=True, eq=False)
class BinaryReference:
    """The sketch of the reference, its calibration or why there is none, and how many blocks it has."""

    sketch: Sketch
    calibration: Calibration | Refusal
    blocks: int

    @classmethod
    def of(cls, scores: Any, labels: Any, blocks: Any = None) -> "BinaryReference":
        """The reference of scores P(true) with their labels, on rows that trained nothing.

        `blocks` name the rows that may be alike, such as those of one day; by default each row stands alone. Raises
        EvaluationError for no rows, for lengths that differ, and for a label that is null or neither true nor false.
        """
        scores, truth = np.asarray(scores, dtype=float), _zero_or_one(labels)
        if len(scores) == 0 or len(scores) != len(truth):
            raise EvaluationError(
                f"A reference of {len(scores)} scores and {len(truth)} labels.", remedy="Give one label a score."
            )
        blocks = np.arange(len(scores)) if blocks is None else np.asarray(blocks)
        sketch = Sketch.of(scores, edges_of(scores, THRESHOLD))
        return cls(sketch, calibrated(sketch, scores, truth, blocks), len(np.unique(blocks)))

    def window(self, scores: Any) -> Sketch:
        """The sketch of a window, to be summed with others or estimated."""
        return Sketch.of(scores, self.sketch.edges)


def estimated(reference: BinaryReference, window: Sketch, blocks: int | None = None) -> dict[str, Answer]:
    """Each metric of a window, estimated, or why it is not estimable.

    `blocks` is how many blocks the window has, such as days; by default as many as the reference.
    """
    rows, calibration = window.rows, reference.calibration
    refusal = calibration if isinstance(calibration, Refusal) else _refusal(reference, window)
    if refusal is not None or isinstance(calibration, Refusal):
        return {name: refusal.of(name, rows) for name in METRICS if refusal is not None}
    some = window.count > 0
    n, means = window.count[some], window.means
    generator = np.random.default_rng(_SEED)
    parameters = calibration.draws(DRAWS, max(1, blocks or reference.blocks), generator)
    drawn = generator.binomial(n, calibration.probabilities(means, parameters)).astype(float)
    expected = (n * calibration.probabilities(means))[None, :]
    return {
        name: _answer(name, float(compute(expected, n, means)[0]), compute(drawn, n, means), rows)
        for name, compute in _COMPUTED.items()
    }


def _refusal(reference: BinaryReference, window: Sketch) -> Refusal | None:
    if window.rows < MIN_ROWS:
        return Refusal(Reason.FEW_ROWS, f"the window has {window.rows} rows of {MIN_ROWS}")
    beyond, effective = unsupported(reference.sketch.count, window.count)
    if beyond > MAX_BEYOND:
        return Refusal(Reason.SEPARABLE, f"{beyond:.0%} of the scores are beyond those of the reference")
    if effective < MIN_EFFECTIVE:
        return Refusal(
            Reason.SEPARABLE, f"only {effective:.0f} reference rows, of {MIN_EFFECTIVE:.0f}, speak for these scores"
        )
    return None


def _answer(name: str, value: float, draws: Floats, rows: int) -> Answer:
    undefined = np.isnan(draws)
    if math.isnan(value) or undefined.all():
        return NotEstimable(name, Reason.UNDEFINED, f"no score of the window is above {THRESHOLD}", rows)
    if undefined.mean() > _MAX_UNDEFINED:
        return NotEstimable(
            name, Reason.ONE_CLASS, f"the labels are of one class with a probability of {undefined.mean():.0%}", rows
        )
    low, high = np.quantile(draws[~undefined], [0.025, 0.975])
    return Estimate(name, value, min(float(low), value), max(float(high), value), rows)


def _zero_or_one(labels: Any) -> Floats:
    try:
        truth = np.asarray(labels).astype(float)
    except (TypeError, ValueError):
        truth = np.array([math.nan])
    if not np.isin(truth, (0.0, 1.0)).all():
        raise EvaluationError("A label of the reference is null, or neither true nor false.", remedy="Map them first.")
    return truth


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.asarray(np.divide(above, below, out=np.full(len(above), math.nan), where=below > 0))


def _decided(means: Floats) -> Floats:
    """1 for bins whose scores decide "true". A bin never has scores on both sides of the threshold."""
    return (means[:, 0] > THRESHOLD).astype(float)


def _accuracy(hits: Floats, n: Any, means: Floats) -> Floats:
    decided = _decided(means)
    return np.asarray((hits @ decided + (n - hits) @ (1 - decided)) / n.sum())


def _precision(hits: Floats, n: Any, means: Floats) -> Floats:
    decided = _decided(means)
    return _ratio(hits @ decided, np.full(len(hits), float(n @ decided)))


def _recall(hits: Floats, n: Any, means: Floats) -> Floats:
    return _ratio(hits @ _decided(means), hits.sum(axis=1))


def _f1(hits: Floats, n: Any, means: Floats) -> Floats:
    decided = _decided(means)
    return _ratio(2 * hits @ decided, float(n @ decided) + hits.sum(axis=1))


def _roc_auc(hits: Floats, n: Any, means: Floats) -> Floats:
    """Mann and Whitney's U over P N; rows of one bin are ties."""
    misses = n - hits
    below = np.cumsum(misses, axis=1) - misses / 2
    return _ratio(np.sum(hits * below, axis=1), hits.sum(axis=1) * misses.sum(axis=1))


def _average_precision(hits: Floats, n: Any, means: Floats) -> Floats:
    """Sum of (gain in recall) x precision over falling bins; the rows of a bin are met halfway, not at its end."""
    later, above = np.cumsum(hits[:, ::-1], axis=1), np.cumsum(n[::-1])
    gained = hits[:, ::-1]
    precision = (later - gained / 2) / (above - n[::-1] / 2)
    return _ratio(np.sum(gained * precision, axis=1), hits.sum(axis=1))


def _brier(hits: Floats, n: Any, means: Floats) -> Floats:
    return np.asarray((n @ means[:, 1] - 2 * hits @ means[:, 0] + hits.sum(axis=1)) / n.sum())


def _log_loss(hits: Floats, n: Any, means: Floats) -> Floats:
    return np.asarray(-(hits @ means[:, 2] + (n - hits) @ means[:, 3]) / n.sum())


_COMPUTED: dict[str, Callable[[Floats, Any, Floats], Floats]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "brier": _brier,
    "log_loss": _log_loss,
}
