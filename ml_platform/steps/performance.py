"""The performance step: metrics of a partition's predictions once labels are known (S21, S30)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Part
from ml_platform.lake.pruning import rows_of
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.models import bundle as bundles
from ml_platform.monitoring.performance import SCHEMA, by_class, by_slice, measured
from ml_platform.naming import quoted
from ml_platform.plots.markdown import ROWS
from ml_platform.runtime import reading
from ml_platform.runtime.display import previewed
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, record_after, window_of
from ml_platform.serving.batch import key_text
from ml_platform.spec.durations import microseconds
from ml_platform.spec.examples import Label
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.state.results import PerformanceResult
from ml_platform.training.labels import labelled, order_version
from ml_platform.training.training_set import watermark
from ml_platform.validation.version_order import with_paths
from ml_platform.views.performance_plots import by_month, judged

CODE_VERSION = 2  # of how performance is measured; part of its content key (S31)
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


_MEANING = {
    "version": "the version that was judged",
    "role": "champion or challenger",
    "sliced_by": "the column of the segment; empty: all rows",
    "slice": "the value of that column",
    "metric": "the metric's name",
    "value": "the metric's value",
    "low": "lower end of its 95 % interval",
    "high": "upper end of its 95 % interval",
    "rows": "labelled predictions that count",
    "unlabelled": "predictions without a label so far",
}


class PerformanceStep(Step):
    """Metrics of a partition's predictions once labels are known."""

    name = "performance"
    job = "data"
    result = PerformanceResult
    kinds = ("duckdb",)
    summary = "Metrics of the predictions once labels are known, with 95 % intervals."
    explanation = (
        "Every metric of the task is computed over all rows and for each segment that a gate names. The plots show the "
        "partition, and the metric over all partitions so far."
    )
    changes_with = "the predictions, or labels that become known"
    advice = "few *labelled* rows give wide intervals. If the metric falls over several partitions, check drift."
    freezes = False  # labels come late

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "predictions")

    def stale_with(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return (*self.upstream(pipeline), ("validated", pipeline.label_table))  # through frozen predictions, too

    def table(self, pipeline: ModelPipeline) -> str:
        return f"{pipeline.name}.performance"

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        return TableColumns(SCHEMA, _MEANING)

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the predictions and the labels known by now; where an absence is a label, from those it matures with."""
        reads = reading.own(ws, pipeline, "predictions", [partition])
        matures = matures_at(pipeline, partition)
        declared = ("performance", CODE_VERSION, pipeline.examples, _slicers(pipeline), reads, *order_version(pipeline))
        if matures is not None:
            start = window_of(pipeline, partition)[0]
            mature = (reading.reached(ws, pipeline) or matures) > matures
            answers = reading.labels(ws, pipeline, matures, known_from=start) if mature else []
            return recipe(*declared, answers, mature)
        if isinstance(pipeline.examples.label, Label):
            return recipe(*declared, reading.labels(ws, pipeline, None))
        return recipe(*declared, reading.labels_of(ws, pipeline, partition))

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Every metric of the task per version and role: overall with intervals, by class, and per segment of a gate.

        Where the absence of a row is a label, nothing is measured before all labels of the partition are known. Until
        then only positive labels are known, and a metric of those would mislead.
        """
        matures, reached = matures_at(pipeline, partition), reading.reached(ws, pipeline)
        if matures is not None and (reached is None or reached <= matures):
            display: dict[str, Any] = {"labels": f"known from {matures:%Y-%m-%d %H:%M} UTC on"}
            return _written(ws, pipeline, author, pl.DataFrame(schema=SCHEMA), PerformanceResult(), display)
        display, result = {}, PerformanceResult()
        rows: list[dict[str, Any]] = []
        for (version, role), part, unlabelled in _parts(ws, pipeline, partition, known_by(ws, pipeline, partition)):
            identity = {"version": version, "role": role, "unlabelled": unlabelled}
            if len(part) == 0:
                continue
            overall = measured(pipeline.task, part)
            rows += [{**identity, "sliced_by": "", "slice": "", **row} for row in overall]
            if role == "champion":
                display.update({row["metric"]: row["value"] for row in overall if row["value"] is not None})
                display |= {"champion": f"{pipeline.name}@{version}", "labelled": len(part), "unlabelled": unlabelled}
                display |= judged(ws, pipeline.task, part, f"{partition} by @{version}")
                result = PerformanceResult(version, len(part))
            rows += [{**identity, **row} for row in by_class(part)]
            for by in _slicers(pipeline):
                rows += [{**identity, "sliced_by": by, **row} for row in by_slice(pipeline.task, part, by)]
        frame = pl.DataFrame(rows, schema=SCHEMA)
        display |= by_month(ws, pipeline, partition, frame)
        if rows:
            display["preview"] = previewed(ws, frame.head(ROWS), frame.height)
        return _written(ws, pipeline, author, frame, result, display)


def _written(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    rows: pl.DataFrame,
    result: PerformanceResult,
    display: dict[str, Any],
) -> Outcome:
    with write(ws.lake, author) as tx:
        count = tx.replace(pipeline.name, "performance", rows, partition=author.partition)
        return record_after(tx, ws, author, Outcome(count, result=result, display=display))


def known_by(ws: Workspace, pipeline: ModelPipeline, partition: str) -> datetime:
    """The moment up to which labels count: the maturity of the partition's last, where absences are labels."""
    matures = matures_at(pipeline, partition)
    if matures is not None:
        return matures
    return watermark(ws.lake, pipeline, [partition]) if isinstance(pipeline.examples.label, Label) else _EVER


def matures_at(pipeline: ModelPipeline, partition: str) -> datetime | None:
    """When the last label of a partition is known at the latest; None where absences are no labels (S17)."""
    label, end = pipeline.examples.label, window_of(pipeline, partition)[1]
    if end is None or not isinstance(label, Label) or label.matures_after is None:
        return None
    return end + timedelta(microseconds=microseconds(label.matures_after))


def realised(
    ws: Workspace, pipeline: ModelPipeline, partition: str, metric: str, moment: datetime
) -> tuple[int, float] | None:
    """The version that scored as champion and its metric (NaN: undefined), by the labels known before `moment`."""
    parts = _parts(ws, pipeline, partition, moment)
    by_champion = [
        (number, part.value(metric)) for (number, role), part, _ in parts if role == "champion" and len(part)
    ]
    return max(by_champion, default=None)


def _slicers(pipeline: ModelPipeline) -> list[str]:
    return sorted({gate.sliced_by for gate in pipeline.gates if gate.sliced_by})


def _parts(
    ws: Workspace, pipeline: ModelPipeline, partition: str, moment: datetime
) -> list[tuple[tuple[int, str], Part, int]]:
    """Per (version, role): the labelled predictions, and how many have no label yet."""
    slicers, joined = _slicers(pipeline), answered(ws, pipeline, partition, moment)
    if joined is None:
        return []
    parts = []
    for (version, role), rows in joined.group_by("_version", "_role", maintain_order=True):
        labelled_rows = rows.filter(pl.col("_label").is_not_null())
        classes = _classes(ws, pipeline, int(str(version)))
        scores = np.array(labelled_rows["_scores"].to_list()) if classes else labelled_rows["_score"].to_numpy()
        part = Part(frame=labelled_rows.select(slicers), labels=labelled_rows["_label"], classes=classes, scores=scores)
        parts.append(((int(str(version)), str(role)), part, rows.height - labelled_rows.height))
    return parts


def answered(ws: Workspace, pipeline: ModelPipeline, partition: str, moment: datetime) -> pl.DataFrame | None:
    """Each prediction with its label by `moment`, null while there is none; None without predictions.

    Columns: `_key`, `_at`, `_score`, `_scores`, `_version`, `_role`, `_label`, and those that form segments for gates.
    """
    examples, slicers = pipeline.examples, _slicers(pipeline)
    features, scored = (rows_of(ws.lake, pipeline.name, table, partition) for table in ("features", "predictions"))
    if not ws.lake.value(f"SELECT count(*) FROM {scored}"):
        return None
    label_rows = with_paths(ws.state, pipeline.label_table)
    with labelled(ws.lake, ws.blobs, pipeline, label_rows, features, moment, few=True) as relation:
        columns = dict.fromkeys([*examples.keys, *slicers, "_label"])
        answers = ws.lake.frame(f"SELECT {', '.join(map(quoted, columns))} FROM {relation}")
    # The example's columns may be called as those of predictions are: these go by names of the platform's own.
    answers = answers.select(*slicers, "_label", _key=key_text(examples.keys))
    predictions = ws.lake.frame(
        'SELECT key AS _key, "at" AS _at, score AS _score, scores AS _scores, version AS _version, role AS _role '
        f"FROM {scored} QUALIFY row_number() OVER (PARTITION BY key, version, role "
        'ORDER BY "at" DESC NULLS LAST) = 1'
    )
    return predictions.join(answers, on="_key", how="left").sort("_key")


def _classes(ws: Workspace, pipeline: ModelPipeline, version: int) -> tuple[str, ...]:
    if pipeline.task != "multiclass":
        return ()
    return bundles.load(ws.blobs, versions.version(ws.state, pipeline.name, version).bundle).classes
