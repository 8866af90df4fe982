"""How many different values a window holds (S9), for a batch."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers


class DistinctCounts:
    """The number of different values among the rows that cover each of `size` places, for several spans.

    The stretches of rows with one value overlap. Each row adds only what the rows of its value before it do
    not cover, so rows come in order of (value, first place); nothing of a value is kept once it is over.
    """

    def __init__(self, size: int, spans: Sequence[int]) -> None:
        self.size = size
        self.spans = tuple(spans)
        self._steps = {span: np.zeros(size + 1, np.int64) for span in spans}
        self._last: pl.DataFrame | None = None  # the value that the rows so far end with, one row
        self._covered = dict.fromkeys(spans, 0)  # up to which place its rows cover

    def add(self, values: pl.DataFrame, first: Integers, ends: dict[int, Integers]) -> None:
        """More rows: their value (in as many columns as tell it), and the places first ≤ place < ends[span]."""
        if not len(first):
            return
        seen = values if self._last is None else pl.concat([self._last, values])
        run = seen.select(pl.struct(pl.all()).rle_id().cast(pl.Int64)).to_series().to_numpy()[-len(first) :]
        stride = self.size + 2  # places of one run stay under those of the next
        before = np.empty_like(first)
        for span, steps in self._steps.items():
            reached = np.maximum.accumulate(run * stride + ends[span]) - run * stride
            before[0], before[1:] = 0, np.where(run[1:] == run[:-1], reached[:-1], 0)
            before[run == 0] = np.maximum(before[run == 0], self._covered[span])
            start = np.maximum(first, before)
            adds = ends[span] > start
            np.add.at(steps, start[adds], 1)
            np.subtract.at(steps, ends[span][adds], 1)
            self._covered[span] = max(int(reached[-1]), self._covered[span] if run[-1] == 0 else 0)
        self._last = values.tail(1)

    def result(self, span: int) -> Integers:
        """The number at each place, and at one more that no row covers."""
        counts: Integers = np.cumsum(self._steps[span])
        return counts
