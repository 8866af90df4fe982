"""Estimated performance of the windows of a lake, beside what was realised since (S48). It writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

import numpy as np
import polars as pl

from ml_platform import interrupts
from ml_platform.errors import OrderError
from ml_platform.evaluation.metrics import metric
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.models.training_data import part
from ml_platform.monitoring.estimation import binary, losses
from ml_platform.monitoring.estimation.answer import Answer, Estimate
from ml_platform.monitoring.estimation.binary import BinaryReference
from ml_platform.monitoring.estimation.losses import LossReference
from ml_platform.naming import quoted
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.steps.performance import answered, known_by, matures_at

Span = Literal["partition", "week", "day"]

MIN_BLOCKS = 8  # of a reference: days, or hours where it has fewer days


@dataclass(frozen=True)
class Reference:
    """The holdout of a version as reference. `unit` is that of its blocks; None: each row stands alone."""

    fitted: BinaryReference | LossReference
    classes: tuple[str, ...]
    unit: str | None

    def blocks(self, times: pl.Series) -> int | None:
        """How many blocks rows of these prediction times have."""
        return None if self.unit is None else times.dt.truncate(self.unit).n_unique()

    def estimated(self, scores: Any, times: pl.Series) -> dict[str, Answer]:
        """Each metric of a window."""
        blocks = self.blocks(times)
        if isinstance(self.fitted, BinaryReference):
            return binary.estimated(self.fitted, self.fitted.window(scores), blocks)
        return losses.estimated(self.fitted, self.fitted.window(scores), blocks)


@dataclass(frozen=True, eq=False)
class Window:
    """The predictions of one champion in a span of a partition. `labels` are null where none is known.

    start: of the span (UTC). A week or day that two partitions share is two windows.
    """

    partition: str
    start: datetime
    version: int
    reference: Reference
    scores: Any
    times: pl.Series
    labels: pl.Series

    @property
    def estimates(self) -> dict[str, Answer]:
        """Each metric, estimated from the scores alone."""
        return self.reference.estimated(self.scores, self.times)

    def realised(self, name: str) -> float | None:
        """The metric by the labels that are known; None where they do not define it."""
        mature = self.labels.is_not_null()
        if not mature.any():
            return None
        labels = self.labels.filter(mature).to_numpy()
        value = metric(name, labels, self.scores[mature.to_numpy()], classes=self.reference.classes)
        return None if np.isnan(value) else value


def windows_of(ws: Workspace, pipeline: ModelPipeline, span: Span = "partition") -> Iterator[Window]:
    """The windows that a champion scored, in order of time.

    Raises OrderError for a pipeline without partitions: its champion scores its own holdout, which is the reference.
    """
    if pipeline.partitions is None:
        raise OrderError(
            f"{pipeline.name} has no partitions, so there is no later window to estimate.", remedy="Declare partitions."
        )

    @cache
    def reference(version: int) -> Reference:
        return _reference(ws, pipeline, version)

    if not ws.lake.columns(pipeline.name, "predictions"):
        return
    scored = ws.lake.rows(f"SELECT DISTINCT _partition FROM {quoted(pipeline.name)}.predictions ORDER BY 1")
    for (partition,) in scored:
        interrupts.stop_if_arrived()
        rows = _rows(ws, pipeline, partition)
        if rows is None:
            continue
        first = rows["_at"].min()
        start = pl.lit(first) if span == "partition" else pl.col("_at").dt.truncate({"week": "1w", "day": "1d"}[span])
        for (at, version), frame in (
            rows.with_columns(_start=start).sort("_at").group_by("_start", "_version", maintain_order=True)
        ):
            judged_by = reference(int(str(version)))
            column = "_scores" if judged_by.classes else "_score"
            scores = np.array(frame[column].to_list(), dtype=float)
            assert isinstance(at, datetime)
            yield Window(partition, at, int(str(version)), judged_by, scores, frame["_at"], frame["_label"])


def estimates(ws: Workspace, pipeline: ModelPipeline, name: str, span: Span = "partition") -> list[dict[str, Any]]:
    """One row a window: estimate with interval or why there is none, and what was realised with the error."""
    rows = []
    with ws.reading():
        for window in windows_of(ws, pipeline, span):
            answer, realised = window.estimates[name], window.realised(name)
            estimate = answer if isinstance(answer, Estimate) else None
            rows.append(
                {
                    "partition": window.partition,
                    "start": window.start,
                    "version": window.version,
                    "rows": answer.rows,
                    "estimate": estimate.value if estimate else None,
                    "low": estimate.low if estimate else None,
                    "high": estimate.high if estimate else None,
                    "not_estimable": None if isinstance(answer, Estimate) else str(answer.reason),
                    "why": None if isinstance(answer, Estimate) else answer.detail,
                    "realised": realised,
                    "labelled": int(window.labels.is_not_null().sum()),
                    "error": estimate.value - realised if estimate and realised is not None else None,
                }
            )
    return rows


def reconciled(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How near past estimates were: windows with both, mean absolute error, mean error, share within the interval.

    >>> reconciled([{"estimate": 0.8, "low": 0.7, "high": 0.9, "realised": 0.75, "error": 0.05}])
    {'windows': 1, 'mean_absolute_error': 0.05, 'mean_error': 0.05, 'covered': 1.0}
    """
    past = [row for row in rows if row["error"] is not None]
    if not past:
        return {"windows": 0, "mean_absolute_error": None, "mean_error": None, "covered": None}
    return {
        "windows": len(past),
        "mean_absolute_error": float(np.mean([abs(row["error"]) for row in past])),
        "mean_error": float(np.mean([row["error"] for row in past])),
        "covered": float(np.mean([row["low"] <= row["realised"] <= row["high"] for row in past])),
    }


def _rows(ws: Workspace, pipeline: ModelPipeline, partition: str) -> pl.DataFrame | None:
    """The champion's predictions of a partition. Where absences are labels, none counts before all are known (S21)."""
    rows = answered(ws, pipeline, partition, known_by(ws, pipeline, partition))
    if rows is None:
        return None
    matures, reached = matures_at(pipeline, partition), reading.reached(ws, pipeline)
    if matures is not None and (reached is None or reached <= matures):
        rows = rows.with_columns(pl.lit(None, rows.schema["_label"]).alias("_label"))
    champion = rows.filter(pl.col("_role") == "champion")
    return champion if champion.height else None


def _reference(ws: Workspace, pipeline: ModelPipeline, number: int) -> Reference:
    version = versions.version(ws.state, pipeline.name, number)
    predictor, at = Predictor(bundles.load(ws.blobs, version.bundle), threads=ws.settings.threads), pipeline.examples.at
    columns = dict.fromkeys([*predictor.columns, "_label", *([at] if at else [])])
    holdout = part(ws.blobs.get(version.training_set), "holdout", list(columns))
    scores, labels = predictor.scores(holdout.select(predictor.columns)), holdout["_label"].to_numpy()
    unit = None if at is None else _unit(holdout[at])
    blocks = None if at is None or unit is None else holdout[at].dt.truncate(unit).rank("dense").to_numpy()
    fitted: BinaryReference | LossReference
    if pipeline.task == "binary":
        fitted = BinaryReference.of(scores, labels, blocks)
    else:
        fitted = LossReference.of(pipeline.task, labels, scores, predictor.classes, blocks)
    return Reference(fitted, predictor.classes, unit)


def _unit(times: pl.Series) -> str | None:
    units = ("1d", "1h")
    return next((unit for unit in units if times.dt.truncate(unit).n_unique() >= MIN_BLOCKS), None)
