"""Realised performance: the metrics of predictions whose labels are now known. No input or output."""

from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.metrics import metrics_of

SCHEMA = {
    "version": pl.Int64(),
    "role": pl.String(),
    "sliced_by": pl.String(),
    "slice": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "rows": pl.Int64(),
    "unlabelled": pl.Int64(),
}
MIN_SLICE = 50  # rows of a segment; with fewer, chance decides


def measured(task: str, part: Part) -> list[dict[str, Any]]:
    """Every metric of the task with its 95 % interval."""
    rows = []
    for metric in metrics_of(task):
        interval = part.interval(metric)
        rows.append(
            {"metric": metric, "value": interval.value, "low": interval.low, "high": interval.high, "rows": len(part)}
        )
    return rows


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value


def by_class(part: Part) -> list[dict[str, Any]]:
    """The recall of each class among the labels, with its 95 % interval; nothing where there are no classes."""
    recalls = []
    for name in part.labels.unique().sort() if part.classes else ():
        rows = part.of_class(name)
        recall = rows.interval("accuracy")
        measured_recall = {"value": recall.value, "low": recall.low, "high": recall.high, "rows": len(rows)}
        recalls.append({"sliced_by": "class", "slice": name, "metric": "recall", **measured_recall})
    return recalls


def by_slice(task: str, part: Part, by: str) -> list[dict[str, Any]]:
    """Every metric of the task in each segment of MIN_SLICE rows or more, without intervals."""
    measured_rows = []
    for value in part.frame[by].drop_nulls().unique().sort():
        mask = (part.frame[by] == value).fill_null(False).to_numpy()
        if mask.sum() >= MIN_SLICE:
            rows = part.where(mask)
            measured_rows += [
                {"slice": str(value), "metric": m, "value": _defined(rows.value(m)), "rows": len(rows)}
                for m in metrics_of(task)
            ]
    return measured_rows
