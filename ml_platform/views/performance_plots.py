"""Plots of model performance: of scores against labels, and of the headline metric over partitions."""

from collections.abc import Collection
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.intervals import Interval
from ml_platform.evaluation.metrics import decisions
from ml_platform.lake.connection import Lake
from ml_platform.lake.pruning import rows_of
from ml_platform.monitoring.performance import by_class
from ml_platform.naming import quoted
from ml_platform.plots import answers, holdout, months
from ml_platform.plots.months import Month
from ml_platform.runtime.display import drawn
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger


def judged(ws: Workspace, task: str, part: Part, rows: str) -> dict[str, Any]:
    """Plots of scores against labels, by task. `rows` names the rows in titles. Empty without rows."""
    if len(part) == 0:
        return {}
    labels, scores = part.labels.to_numpy(), np.asarray(part.scores)
    if task == "binary":
        truth = labels.astype(float)
        plots: dict[str, Any] = {"ROC curve": f"none: all labels of {rows} are {str(bool(truth[0])).lower()}"}
        if truth.min() != truth.max():
            title = with_interval("AUC", part.interval("roc_auc"))
            plots["ROC curve"] = drawn(ws, lambda: holdout.roc(truth, scores, title, f"ROC curve of {rows}"))
        plots["calibration"] = drawn(ws, lambda: holdout.calibration(truth, scores, f"Calibration of {rows}"))
        plots["scores by label"] = drawn(ws, lambda: holdout.histogram(scores, truth, f"Scores of {rows}"))
        return plots
    if task == "multiclass":
        decided_classes = decisions(task, scores, part.classes)
        recalls = {row["slice"]: (row["value"], row["low"], row["high"], row["rows"]) for row in by_class(part)}
        return {
            "confusion": drawn(ws, lambda: answers.confusion(list(labels), list(decided_classes))),
            "recall by class": drawn(ws, lambda: answers.recalls(recalls)),
        }
    actual = labels.astype(float)
    return {
        "predicted and actual": drawn(ws, lambda: answers.against(actual, scores)),
        "residuals": drawn(ws, lambda: answers.residuals(actual, scores)),
    }


def by_month(ws: Workspace, pipeline: ModelPipeline, partition: str, rows: pl.DataFrame) -> dict[str, Any]:
    """The headline metric of champions in the newest partitions up to this one, whose `rows` are those of the table.

    Empty with fewer than two partitions, or if this one has no value.
    """
    metric = pipeline.headline
    here = rows.filter(sliced_by="", role="champion", metric=metric).drop_nulls("value").sort("version").tail(1)
    own = [Month(partition, *row) for row in here.select("value", "low", "high", "version").iter_rows()]
    if pipeline.partitions is None or not own:
        return {}
    values = [*_earlier(ws, pipeline, partition, metric), *own]
    if len(values) < 2:
        return {}
    bounds = (gate.bound for gate in pipeline.gates if gate.judged_metric == metric)
    bound = next((bound for bound in bounds if bound is not None), None)
    return {f"{metric} by {pipeline.partitions.unit}": drawn(ws, lambda: months.by_month(metric, values, bound))}


def _earlier(ws: Workspace, pipeline: ModelPipeline, partition: str, metric: str) -> list[Month]:
    """The metric in as many of the newest partitions before this one as the plot shows, and perhaps in more."""
    counts = ledger.rows_of_each(ws.state, f"{pipeline.name}/performance")
    measured = [name for name, rows in counts.items() if rows and name < partition]
    some = months.SHOWN
    while measured:
        values = champions(ws.lake, pipeline.name, metric, measured[-some:])
        if len(values) >= months.SHOWN or some >= len(measured):
            return values
        some *= 4  # a partition may have rows and no value of this metric
    return []


def champions(lake: Lake, pipeline: str, metric: str, partitions: Collection[str] | None = None) -> list[Month]:
    """The champion's metric in each of these partitions, or of all, in order, from the performance table."""
    if not lake.columns(pipeline, "performance"):
        return []
    rows_there = f"{quoted(pipeline)}.performance"
    if partitions is not None:
        rows_there = rows_of(lake, pipeline, "performance", partitions)
    rows = lake.rows(
        f"SELECT _partition, value, low, high, version FROM {rows_there} "
        "WHERE sliced_by = '' AND role = 'champion' AND metric = ? AND value IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY _partition ORDER BY version DESC) = 1 ORDER BY _partition",
        [metric],
    )
    return [Month(*row) for row in rows]


def with_interval(metric: str, interval: Interval) -> str:
    """A metric with its interval, such as "AUC 0.746 (95 %: 0.740 to 0.751)"."""
    value = f"{metric} {interval.value:.3f}"
    return (
        value
        if interval.low is None or interval.high is None
        else f"{value} (95 %: {interval.low:.3f} to {interval.high:.3f})"
    )
