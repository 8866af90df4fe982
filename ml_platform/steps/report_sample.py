"""The sample of a report: bounded on both sides, and the same for the same rows and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.metrics import decisions
from ml_platform.lake.pruning import rows_of
from ml_platform.lake.staging import stage
from ml_platform.models.predictor import Predictor
from ml_platform.monitoring.evidently_report import DECISION, LABEL, SCORE, shown_names
from ml_platform.naming import literal, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.batch import key_text
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.drift import ROLE
from ml_platform.steps.drift_sides import Judged
from ml_platform.steps.performance import known_by
from ml_platform.training.labels import labelled
from ml_platform.validation.version_order import with_paths

LEVELS = 30  # of a text column that are drawn; the rest are one
REST = "(other)"
KNOWN = 0.5  # the share of labels that must be known before performance is drawn


@dataclass(frozen=True)
class Sample:
    """Two frames with the columns, the score and, for performance, label and decision, by their names on the page.

    columns:  name → number or level, of those that have values on both sides; left_out: the others, and why.
    why_not:  why performance is not drawn; empty when it is.
    unlabelled: rows of the current side that were left out for lack of a label.
    """

    reference: pl.DataFrame
    current: pl.DataFrame
    columns: dict[str, str]
    left_out: list[dict[str, str]]
    why_not: str
    unlabelled: int


def sampled(
    ws: Workspace, pipeline: ModelPipeline, partition: str, subject: Judged, columns: Mapping[str, str]
) -> Sample:
    """The sample of a champion's training data and of what it scored, for `columns` (name → number or level).

    On the reference side features are rows of the train part and scores and labels rows of the
    holdout, side by side (S29): nothing in the report reads a feature and a score of one row together.
    """
    predictor = Predictor(subject.bundle, threads=ws.settings.threads)
    holdout = _rows(ws, pipeline, subject.holdout, [*predictor.columns, "_label"])
    names = shown_names(columns)
    train = _rows(ws, pipeline, subject.train, list(columns)).rename(names)
    rows = min(train.height, holdout.height)
    judged = _judged(predictor, predictor.scores(holdout), holdout["_label"])
    reference = pl.concat([train.head(rows), judged.head(rows)], how="horizontal")
    current = _current(ws, pipeline, partition, subject, names, predictor)
    with_labels = current.filter(pl.col(LABEL).is_not_null())
    why_not = _why_not(predictor.task, with_labels, current.height, reference)
    if why_not:
        reference, current = (frame.drop(LABEL, DECISION) for frame in (reference, current))
        with_labels = current
    drawn, left_out = {}, []
    for column, kind in columns.items():
        name = names[column]
        empty = [
            side for side, frame in (("learnt from", reference), ("scored", with_labels)) if not _values(frame[name])
        ]
        if empty:
            left_out.append({"column": column, "status": f"no value in the sample of what was {' and '.join(empty)}"})
        else:
            drawn[name] = kind
    kept = [*drawn, *(name for name in with_labels.columns if name in (SCORE, LABEL, DECISION))]
    then, now = _comparable(reference.select(kept), with_labels.select(kept), drawn)
    return Sample(then, now, drawn, left_out, why_not, current.height - with_labels.height)


def _rows(ws: Workspace, pipeline: ModelPipeline, relation: str, columns: Sequence[str]) -> pl.DataFrame:
    listed = ", ".join(map(quoted, columns)) or "1 AS nothing"
    return ws.lake.frame(f"SELECT {listed} FROM {relation} {_chosen(pipeline)}")


def _chosen(pipeline: ModelPipeline) -> str:
    """The rows with the smallest hash of their identity, whatever their order."""
    identity = ", ".join(f"{quoted(name)}::VARCHAR" for name in pipeline.examples.identity)
    return f"ORDER BY hash({pipeline.drift.seed}, {identity}) LIMIT {pipeline.drift.report_rows}"


def _current(
    ws: Workspace,
    pipeline: ModelPipeline,
    partition: str,
    subject: Judged,
    names: Mapping[str, str],
    predictor: Predictor,
) -> pl.DataFrame:
    keys = pipeline.examples.keys
    staged = stage(ws.lake, f"SELECT * FROM {subject.current} {_chosen(pipeline)}")
    try:
        examples = f"read_parquet({literal(str(staged.path))})"
        label_rows, moment = with_paths(ws.state, pipeline.label_table), known_by(ws, pipeline, partition)
        with labelled(ws.lake, ws.blobs, pipeline, label_rows, examples, moment) as relation:
            listed = ", ".join(map(quoted, dict.fromkeys([*keys, *names, "_label"])))
            rows = ws.lake.frame(f"SELECT {listed} FROM {relation}")
    finally:
        staged.path.unlink(missing_ok=True)
    scores = ws.lake.frame(
        "SELECT key AS _key, score AS _score, scores AS _scores FROM "
        f"{rows_of(ws.lake, pipeline.name, 'predictions', partition)} WHERE version = ? AND role = ? "
        'QUALIFY row_number() OVER (PARTITION BY key ORDER BY "at" DESC NULLS LAST) = 1',
        [subject.version.version, ROLE],
    )
    both = rows.with_columns(key_text(keys).alias("_key")).join(scores, on="_key").sort("_key")
    predicted = np.array(both["_scores"].to_list()) if predictor.task == "multiclass" else both["_score"].to_numpy()
    features = both.select(list(names)).rename(names)
    return pl.concat([features, _judged(predictor, predicted, both["_label"])], how="horizontal")


def _judged(predictor: Predictor, scores: Any, labels: pl.Series) -> pl.DataFrame:
    """Score, label and decision; classes as 0 and 1 or as text, for scikit-learn takes no doubles for them."""
    shown_score = scores.max(axis=1) if predictor.task == "multiclass" and len(scores) else scores.ravel()
    kind = {"multiclass": pl.String, "binary": pl.Int64, "regression": pl.Float64}[predictor.task]
    decided = shown_score
    if predictor.task != "regression":
        decided = decisions(predictor.task, scores, predictor.classes) if len(scores) else np.array([])
    decision = pl.Series(np.asarray(decided).tolist(), dtype=pl.Boolean if predictor.task == "binary" else kind)
    return pl.DataFrame({SCORE: shown_score, LABEL: labels.cast(kind), DECISION: decision.cast(kind)})


def _why_not(task: str, with_labels: pl.DataFrame, rows: int, reference: pl.DataFrame) -> str:
    if with_labels.height < KNOWN * rows or not with_labels.height:
        return f"The labels of {with_labels.height:,} of {rows:,} rows are known so far."
    if task != "regression":
        for what, frame in (("the partition", with_labels), ("the champion's holdout", reference)):
            if frame[LABEL].n_unique() < 2:
                return f"All labels of {what} are {frame[LABEL][0]}: one class has no performance."
    return ""


def _values(column: pl.Series) -> int:
    if column.dtype.is_numeric():
        return int(column.cast(pl.Float64).is_finite().sum())
    return len(column) - column.null_count()


def _comparable(
    reference: pl.DataFrame, current: pl.DataFrame, columns: Mapping[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers as finite doubles or null, categories as text. Only the LEVELS most frequent ones keep their name."""
    frames = [reference, current]
    for name, kind in columns.items():
        if kind == "number":
            value = pl.col(name).cast(pl.Float64)
            frames = [f.with_columns(pl.when(value.is_finite()).then(value).alias(name)) for f in frames]
            continue
        frames = [f.with_columns(pl.col(name).cast(pl.String)) for f in frames]
        levels = pl.concat([f[name].alias("level") for f in frames]).drop_nulls().value_counts(name="n")
        named = levels.sort(["n", "level"], descending=[True, False])["level"].head(LEVELS)
        if len(levels) > LEVELS:
            value = pl.col(name)
            kept = pl.when(value.is_in(named.implode()) | value.is_null()).then(value).otherwise(pl.lit(REST))
            frames = [f.with_columns(kept.alias(name)) for f in frames]
        frames = _named(frames, [name])
    if frames[0].schema.get(LABEL) == pl.String:
        frames = _named(frames, [LABEL, DECISION])
    return frames[0], frames[1]


def _named(frames: Sequence[pl.DataFrame], columns: Sequence[str]) -> list[pl.DataFrame]:
    """The frames with the categories of these columns by their names on a page, the same in all of them."""
    texts = pl.concat([frame[column].alias("text") for frame in frames for column in columns])
    names = shown_names(sorted(texts.drop_nulls().unique()), taken=())
    if all(name == text for text, name in names.items()):
        return list(frames)
    return [frame.with_columns(pl.col(columns).replace_strict(names, default=None)) for frame in frames]
