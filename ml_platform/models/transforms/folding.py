"""Which fold a training example is in, as the split of its pipeline is (S60)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ml_platform.models.transforms.protocol import Folds


def folds_of(train: pl.DataFrame, declared: Mapping[str, Any]) -> Folds:
    """The folds of the training part.

    `declared` has `at`, the column of the prediction time, or `group`, or neither, and `seed`. Equal times and equal
    groups are in one fold. An example without a group is one of its own.
    """
    rows = train.height
    if declared["at"] is not None:
        times = train[declared["at"]].dt.timestamp("us").to_numpy()
        return Folds(np.searchsorted(np.sort(times), times), max(rows, 1), ordered=True)
    shuffled = np.random.default_rng(declared["seed"])
    if declared["group"] is None:
        return Folds(shuffled.permutation(rows), max(rows, 1), ordered=False)
    groups = train[declared["group"]]
    dense = (
        groups.rank("dense").cast(pl.Int64).to_numpy(writable=True)
        if groups.null_count() == 0
        else _with_singles(groups)
    )
    size = int(dense.max(initial=0)) + 1
    return Folds(shuffled.permutation(size)[dense], size, ordered=False)


def _with_singles(groups: pl.Series) -> Any:
    """Ranks of groups, and a rank of its own for each null behind them."""
    ranks = groups.rank("dense").cast(pl.Int64)
    singles = groups.is_null().cast(pl.Int64).cum_sum() + (ranks.max() or 0)
    return ranks.fill_null(pl.Series(singles)).to_numpy() if groups.null_count() < len(groups) else singles.to_numpy()
