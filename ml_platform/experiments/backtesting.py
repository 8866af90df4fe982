"""The matrix of a backtest from a lake: fits and scores what is missing, and keeps each by content key (S66)."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from ml_platform import interrupts
from ml_platform.errors import OrderError
from ml_platform.evaluation.metrics import metric
from ml_platform.experiments.changing import Variant
from ml_platform.experiments.data import Tell, data_of
from ml_platform.experiments.trying import partition_of
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.pruning import rows_of
from ml_platform.lake.recipes import recipe
from ml_platform.models import bundle as bundles
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.models.training_data import part
from ml_platform.monitoring.drift import compared, weighted
from ml_platform.monitoring.drift_rules import alarming
from ml_platform.monitoring.population import Population
from ml_platform.naming import literal
from ml_platform.retraining.backtest.matrix import Cell, Matrix, TrainingRow
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.canonical import content_key, libraries
from ml_platform.spec.examples import Label
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import experiments, versions
from ml_platform.steps.candidate import recipe_of
from ml_platform.steps.drift import without_calendar, without_texts
from ml_platform.steps.performance import known_by
from ml_platform.training import training_set as training_sets
from ml_platform.training.labels import labelled, order_version
from ml_platform.tuning import fitting
from ml_platform.validation.version_order import with_paths

CODE_VERSION = 1  # of how cells are measured; part of their content keys


def matrix_of(ws: Workspace, pipeline: ModelPipeline, through: str | None, tell: Tell) -> Matrix:
    """The matrix of all partitions through `through` (the last decided one by default).

    `ws` is open for reading, with records. What was computed before is read. Raises OrderError for a pipeline without
    partitions or that did not run so far, TrainingError and LakeError as a training does.
    """
    if pipeline.partitions is None:
        raise OrderError(f"{pipeline.name} has no partitions to replay.", remedy="Declare partitions.")
    partitions = list(pipeline.partition_keys_upto(partition_of(ws, pipeline, through)))
    ends = [end for one in partitions if (end := window_of(pipeline, one)[1]) is not None]
    trained = [_training(ws, pipeline, one, tell) for one in partitions]
    cells = dict[tuple[int, int], Cell]()
    for j in range(1, len(partitions)):
        models = {i: trained[i][1] for i in range(j) if trained[i][1]}
        cells |= {(i, j): cell for i, cell in _cells(ws, pipeline, partitions[j], models, tell).items()}
    name = pipeline.headline
    return Matrix(name, higher_is_better(name), partitions, ends, [row for row, _ in trained], cells)


def _training(ws: Workspace, pipeline: ModelPipeline, partition: str, tell: Tell) -> tuple[TrainingRow, str]:
    """The training that the pipeline would make after a partition, and the digest of its model; "" without one."""
    interrupts.stop_if_arrived()
    data = data_of(ws, pipeline, Variant(pipeline, pipeline), partition)
    # The key holds all that the model depends on besides its training set, and what `readiness` reads.
    key = content_key(
        "backtest training",
        CODE_VERSION,
        data.key,
        pipeline.retrain.min_examples,
        pipeline.headline,
        recipe_of(pipeline, "").content_key,
    )
    stored = experiments.output(ws.state, key)
    if stored is not None and (not stored[0] or ws.blobs.whole(stored[0])):
        return TrainingRow(**stored[1]), stored[0]
    ready = training_sets.readiness(
        ws.lake,
        ws.blobs,
        pipeline,
        label_rows=with_paths(ws.state, pipeline.label_table),
        decided_at=window_of(pipeline, partition)[1],
        partitions_upto=pipeline.partition_keys_upto(partition),
    )
    row, digest = TrainingRow(ready.lacking, ready.labelled), ""
    if not ready.lacking:
        tell(f"model of {partition}")
        training_set = data.training_set(tell)
        version = versions.by_key(ws.state, pipeline.name, recipe_of(pipeline, training_set.digest).content_key)
        if version is not None and ws.blobs.whole(version.bundle):
            digest, durations = version.bundle, version.durations
        else:
            made = fitting.make(ws, pipeline, training_set, tell)
            digest, durations = made.digest, made.record["durations"]
        bundle = bundles.load(ws.blobs, digest)
        predictor = Predictor(bundle, threads=ws.settings.threads)
        frame = part(ws.blobs.get(training_set.digest), "holdout", [*predictor.columns, "_label"])
        value = _metric(pipeline, bundle, frame["_label"], predictor.scores(frame.select(predictor.columns)))
        row = TrainingRow("", ready.labelled, float(durations.get("fit", 0.0)), value)
    details = {"lacking": row.lacking, "labelled": row.labelled, "seconds": row.seconds, "holdout": row.holdout}
    experiments.keep_output(ws.state, key, digest, details)
    return row, digest


def _cells(
    ws: Workspace, pipeline: ModelPipeline, partition: str, models: dict[int, str], tell: Tell
) -> dict[int, Cell]:
    """A partition under the models of earlier ones. Its rows are read once, and only if a cell is missing."""
    with ws.reading():
        labels = (
            reading.labels(ws, pipeline, None)
            if isinstance(pipeline.examples.label, Label)
            else reading.labels_of(ws, pipeline, partition)
        )
        made_of = recipe(
            "backtest cells",
            CODE_VERSION,
            pipeline.headline,
            pipeline.drift,
            pipeline.examples,
            FeatureDefinition.of(pipeline).key,
            order_version(pipeline),
            libraries("duckdb", "numpy", "polars"),
            [*reading.own(ws, pipeline, "features", [partition]), *labels],
        )
    cells, frames = dict[int, Cell](), list[pl.DataFrame]()
    for i, digest in models.items():
        key = content_key("backtest cell", made_of.content_key, partition, digest)
        stored = experiments.output(ws.state, key)
        if stored is None:
            interrupts.stop_if_arrived()
            if not frames:
                tell(f"models on {partition}")
                end = window_of(pipeline, partition)[1]
                frames = [_labelled(ws, pipeline, partition, at) for at in (known_by(ws, pipeline, partition), end)]
            details = _measured(ws, pipeline, partition, digest, frames)
            experiments.keep_output(ws.state, key, "", details)
            stored = "", details
        cells[i] = Cell(**stored[1])
    return cells


def _labelled(ws: Workspace, pipeline: ModelPipeline, partition: str, moment: Any) -> pl.DataFrame:
    rows = rows_of(ws.lake, pipeline.name, "features", partition)
    label_rows = with_paths(ws.state, pipeline.label_table)
    with labelled(ws.lake, ws.blobs, pipeline, label_rows, rows, moment, few=True) as relation:
        return ws.lake.frame(f"SELECT * FROM {relation}")


def _measured(
    ws: Workspace, pipeline: ModelPipeline, partition: str, digest: str, frames: Sequence[pl.DataFrame]
) -> dict[str, Any]:
    bundle = bundles.load(ws.blobs, digest)
    predictor = Predictor(bundle, threads=ws.settings.threads)
    values = []
    for frame in frames:
        mature = frame.filter(pl.col("_label").is_not_null())
        scores = predictor.scores(mature.select(predictor.columns)) if mature.height else None
        values.append(None if scores is None else _metric(pipeline, bundle, mature["_label"], scores))
    figure, moved = _drift(ws, pipeline, partition, bundle, frames[0])
    return {"value": values[0], "known": values[1], "drift": figure, "moved": moved}


def _metric(pipeline: ModelPipeline, bundle: Bundle, labels: pl.Series, scores: Any) -> float | None:
    value = metric(pipeline.headline, labels.to_numpy(), scores, classes=bundle.classes)
    return None if math.isnan(value) else value


def _drift(
    ws: Workspace, pipeline: ModelPipeline, partition: str, bundle: Bundle, current: pl.DataFrame
) -> tuple[float | None, dict[str, float]]:
    """Weighted drift against the model's training data, and the important columns that drifted, as the step has it."""
    if current.height < pipeline.drift.min_rows:
        return None, {}
    path, names = ws.blobs.get(bundle.training_set), list(bundle.columns)
    reference, weights = Population.of(part(path, "train", names)), bundle.fitted.importance()
    columns = list(compared(reference, Population.of(current.select(names)), names))
    train = f"(SELECT * FROM read_parquet({literal(str(path))}) WHERE _part = 'train')"
    now = rows_of(ws.lake, pipeline.name, "features", partition)
    columns = without_texts(columns, bundle)
    columns = without_calendar(ws.lake, train, now, FeatureDefinition.from_json(bundle.definition), columns)
    return weighted(columns, weights), dict(alarming(pipeline.drift, columns, weights).moved)
