"""Scores in bins: a sketch of a window that can be summed, so that a longer window is the sum of shorter ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.errors import EvaluationError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BINS = 200
ROWS_PER_BIN = 10  # of the reference, at least
_LEAST = 1e-6  # scores nearer to 0 or 1 count as this near in logarithms of the calibration


def edges_of(reference: Any, *between: float) -> Floats:
    """Upper ends of bins with about equally many reference scores; what is beyond its range has bins of its own.

    `between` are further ends, such as the threshold of decisions. Bins are open below and closed above.

    >>> edges_of([0.1] * 10 + [0.3] * 10, 0.5).round(3).tolist()
    [0.1, 0.1, 0.3, 0.5]
    """
    scores = np.sort(np.asarray(reference, dtype=float))
    count = max(1, min(BINS, len(scores) // ROWS_PER_BIN))
    ranks = np.ceil(np.arange(1, count + 1) * len(scores) / count).astype(int) - 1
    return np.unique([np.nextafter(scores[0], -np.inf), *scores[ranks], *between])


@dataclass(frozen=True, eq=False)
class Sketch:
    """Of each bin: how many scores, and the sums of score, its square, ln(score) and ln(1 - score).

    count: with shape (bins,). sums: with shape (bins, 4). For scores that are no probabilities, the logarithms mean
    nothing, and nobody asks for them.
    """

    edges: Floats
    count: Counts
    sums: Floats

    @classmethod
    def of(cls, scores: Any, edges: Floats) -> "Sketch":
        """The sketch of scores. Raises EvaluationError for a score that is NaN or infinite."""
        scores = np.asarray(scores, dtype=float)
        if not np.isfinite(scores).all():
            raise EvaluationError(
                f"{int((~np.isfinite(scores)).sum())} scores of the window are NaN or infinite.",
                remedy="Check the features of those rows.",
            )
        bins = bins_of(scores, edges)
        inside = np.clip(scores, _LEAST, 1 - _LEAST)
        columns = (scores, scores**2, np.log(inside), np.log1p(-inside))
        by_column = [np.bincount(bins, column, minlength=len(edges) + 1).astype(np.float64) for column in columns]
        sums = np.stack(by_column, axis=1)
        return cls(edges, np.bincount(bins, minlength=len(edges) + 1), sums)

    def __add__(self, other: "Sketch") -> "Sketch":
        """The sketch of both windows together. Raises EvaluationError for sketches with other bins."""
        if not np.array_equal(self.edges, other.edges):
            raise EvaluationError("Sketches of different bins have no sum.", remedy="Sketch both with one reference.")
        return Sketch(self.edges, self.count + other.count, self.sums + other.sums)

    @property
    def rows(self) -> int:
        """How many scores there are."""
        return int(self.count.sum())

    @property
    def means(self) -> Floats:
        """Of each bin that is not empty, in order: the means of the four columns."""
        some = self.count > 0
        return self.sums[some] / self.count[some, None]


def bins_of(scores: Floats, edges: Floats) -> Counts:
    """The bin of each score."""
    return np.asarray(np.searchsorted(edges, scores, side="left"), dtype=np.int64)


def unsupported(reference: Counts, window: Counts) -> tuple[float, float]:
    """The share of the window in bins without reference, and how many reference rows speak for the rest.

    The second is Kish's effective sample size of the reference, weighted to look like the window:
    N / sum(q² / p) for shares q of the window and p of the reference (Kish, Survey Sampling, 1965, §11.7).
    """
    some = reference > 0
    beyond = float(window[~some].sum()) / max(1, int(window.sum()))
    q, p = window[some] / max(1, int(window[some].sum())), reference[some] / reference.sum()
    spread = float(np.sum(q**2 / p))
    return beyond, float(reference.sum()) / spread if spread > 0 else 0.0
