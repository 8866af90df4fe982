"""The reference of a version: a sketch of the features it learnt from and of its holdout scores (S29)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.registry.predictor import Predictor
from ml_platform.training.trainer import part

QUANTILES = (0.0, 0.01, 0.05, *(q / 10 for q in range(1, 10)), 0.95, 0.99, 1.0)
TOP_LEVELS = 50  # levels that are counted by name; the rest are counted together


def features(path: Path, columns: dict[str, str]) -> dict[str, Any]:
    """For each model column of the train part: `rows`, `nulls`, and

    for numbers `quantiles` (at QUANTILES, of the values that are no null or NaN) and `edges` with
    `counts` (about ten equally full bins: below the first edge, between, from the last on); for
    Booleans and text `levels` (the commonest by name) and `other` (rows of all further levels).
    """
    train = part(path, "train", list(columns))
    return {name: _sketch(train[name]) for name in columns}


def scores(path: Path, predictor: Predictor) -> dict[str, Any]:
    """The sketch of the holdout's scores: {"score": …}, or one for each class of a multiclass task."""
    found = predictor.scores(part(path, "holdout", list(predictor.columns)))
    if found.ndim == 1:
        return {"score": _numbers(found, len(found), 0)}
    return {name: _numbers(found[:, place], len(found), 0) for place, name in enumerate(predictor.classes)}


def _sketch(column: pl.Series) -> dict[str, Any]:
    if column.dtype in (pl.String, pl.Boolean):
        counts = column.drop_nulls().cast(pl.String).value_counts()
        counts = counts.sort(["count", column.name], descending=[True, False])
        named = dict(counts.head(TOP_LEVELS).iter_rows())
        return {
            "rows": len(column),
            "nulls": column.null_count(),
            "levels": named,
            "other": int(counts["count"].slice(TOP_LEVELS).sum()),
        }
    values = column.drop_nulls().cast(pl.Float64).drop_nans().to_numpy()
    return _numbers(values, len(column), len(column) - len(values))


def _numbers(values: npt.NDArray[np.float64], rows: int, nulls: int) -> dict[str, Any]:
    if not len(values):
        return {"rows": rows, "nulls": nulls, "quantiles": [], "edges": [], "counts": []}
    ordered = np.sort(values)
    places = np.ceil(np.array(QUANTILES) * len(ordered)).astype(np.int64) - 1
    quantiles = ordered[np.maximum(places, 0)]  # values that occur: nothing to round
    edges = np.unique(quantiles[3:12])
    counts = np.diff(np.searchsorted(ordered, edges), prepend=0, append=len(ordered))
    return {
        "rows": rows,
        "nulls": nulls,
        "quantiles": quantiles.tolist(),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }
