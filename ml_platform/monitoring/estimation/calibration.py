"""Beta calibration of binary scores on a reference, with the uncertainty of its parameters.

logit P(true) = a ln(s) - b ln(1 - s) + c (Kull, Silva Filho, Flach, AISTATS 2017). Unlike isotonic regression its few
parameters do not fit the noise of the reference, which would make every estimated AUC that of the convex hull.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_platform.monitoring.estimation.answer import Reason, Refusal
from ml_platform.monitoring.estimation.sketch import Floats, Sketch, bins_of

MIN_REFERENCE = 200  # rows
MIN_OF_A_CLASS = 20  # rows of the reference
MAX_ERROR = 0.05  # mean difference of calibrated and realised share, beyond chance
_GROUPS = 10  # of the reference by score, in which calibration is judged
_PRIOR = 0.05  # pull towards a = b = 1, c = 0, so that separable classes have parameters, too
_STEPS = 100


@dataclass(frozen=True, eq=False)
class Calibration:
    """The parameters a, b, c with the covariance of their error, and that of what one block has of its own.

    covariance:  of the estimated parameters, robust against rows of one block that are alike: the jackknife over
                 blocks, each left out in one Newton step (CR3 of MacKinnon, Nielsen, Webb, J. Econometrics 2023).
    block:       between blocks, beyond what the noise of their rows explains; 0 where each row is a block.
    blocks:      how many there are.
    error:       mean absolute difference of calibrated and realised share over groups of scores, beyond chance.
    """

    parameters: Floats
    covariance: Floats
    block: Floats
    blocks: int
    error: float

    def draws(self, count: int, blocks: int, generator: np.random.Generator) -> Floats:
        """Parameters as they may be in a window of so many blocks, with shape (count, 3).

        Student's t with a degree of freedom less than the reference has blocks, as few blocks tell little of a spread.
        """
        spread = self.covariance + self.block / blocks
        moved = generator.multivariate_normal(np.zeros(3), spread, size=count, method="eigh")
        freedom = max(1, self.blocks - 1)
        return self.parameters + moved * np.sqrt(freedom / generator.chisquare(freedom, size=(count, 1)))

    def probabilities(self, means: Floats, parameters: Floats | None = None) -> Floats:
        """P(true) of bins with those means (`Sketch.means`), for one or many (draws, 3) parameters."""
        chosen = self.parameters if parameters is None else parameters
        return _logistic(chosen @ _design(means).T)


def calibrated(reference: Sketch, scores: Floats, labels: Floats, blocks: Any) -> Calibration | Refusal:
    """The calibration of a reference with labels 0 and 1, or why there is none.

    `blocks` name the rows that may be alike, such as those of one day.
    """
    if len(scores) < MIN_REFERENCE:
        return Refusal(Reason.FEW_REFERENCE_ROWS, f"the reference has {len(scores)} rows of {MIN_REFERENCE}")
    rare = int(min(labels.sum(), len(labels) - labels.sum()))
    if rare < MIN_OF_A_CLASS:
        return Refusal(Reason.ONE_CLASS, f"the reference has {rare} rows of its rarer class, of {MIN_OF_A_CLASS}")
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    some = reference.count > 0
    nonempty = (np.cumsum(some) - 1)[bins_of(scores, reference.edges)]
    x, n = _design(reference.means), reference.count[some].astype(float)
    count, width = int(block.max()) + 1, len(n)
    cells = block * width + nonempty
    rows = np.bincount(cells, minlength=count * width).reshape(count, width)
    hits = np.bincount(cells, labels, minlength=count * width).reshape(count, width)
    theta, curvature = _fitted(x, n, hits.sum(axis=0))
    p = _logistic(x @ theta)
    inverse = np.linalg.inv(curvature)
    excess = np.zeros((3, 3))
    if 1 < count < len(scores):
        without = curvature - np.einsum("bk,ki,kj->bij", rows * (p * (1 - p)), x, x)
        moved = np.linalg.solve(without + np.eye(3) * _PRIOR, ((hits - rows * p) @ x)[:, :, None])[:, :, 0]
        excess = _positive(moved.T @ moved * (count - 1) / count - inverse)
    calibration = Calibration(theta, inverse + excess, excess * count, count, _error(p, n, hits.sum(axis=0)))
    if calibration.error > MAX_ERROR:
        return Refusal(
            Reason.UNCALIBRATED,
            f"calibrated and realised shares of the reference differ by {calibration.error:.3f} on average, beyond "
            f"chance, of {MAX_ERROR} allowed",
        )
    return calibration


def _design(means: Floats) -> Floats:
    return np.stack([means[:, 2], -means[:, 3], np.ones(len(means))], axis=1)


def _fitted(x: Floats, n: Floats, hits: Floats) -> tuple[Floats, Floats]:
    """Maximum a posteriori by Newton's method with halved steps, and the curvature there."""
    prior, start = np.eye(3) * _PRIOR, np.array([1.0, 1.0, 0.0])  # P(true) = s
    theta = start.copy()

    def loss(at: Floats) -> float:
        z = x @ at
        return float(np.sum(n * np.logaddexp(0, z) - hits * z) + _PRIOR / 2 * np.sum((at - start) ** 2))

    for _ in range(_STEPS):
        p = _logistic(x @ theta)
        gradient = x.T @ (n * p - hits) + prior @ (theta - start)
        step = np.linalg.solve(_curvature(x, n, p) + prior, gradient)
        before, size = loss(theta), 1.0
        while loss(theta - size * step) > before and size > 1e-6:
            size /= 2
        theta = theta - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return theta, _curvature(x, n, _logistic(x @ theta)) + prior


def _curvature(x: Floats, n: Floats, p: Floats) -> Floats:
    return np.asarray((x * (n * p * (1 - p))[:, None]).T @ x)


def _error(p: Floats, n: Floats, hits: Floats) -> float:
    """Mean absolute difference over groups of about equally many rows, less what chance makes of right shares."""
    group = np.minimum((np.cumsum(n) - n / 2) * _GROUPS / n.sum(), _GROUPS - 1).astype(int)
    rows, expected, realised, spread = (
        np.bincount(group, values, minlength=_GROUPS) for values in (n, n * p, hits, n * p * (1 - p))
    )
    by_chance = np.sqrt(spread * 2 / np.pi)  # mean of a half-normal
    return float(max(0.0, np.sum(np.abs(expected - realised)) - np.sum(by_chance)) / rows.sum())


def _positive(matrix: Floats) -> Floats:
    """The nearest matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _logistic(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))
