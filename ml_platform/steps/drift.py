"""The drift step: compares a partition with the training data of its champion (S21, S29)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.connection import Lake
from ml_platform.lake.pruning import rows_of
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.models.bundle import Bundle
from ml_platform.monitoring.calendar import calendar_columns
from ml_platform.monitoring.drift import CALENDAR, CAP, HASHED, ColumnDrift, arrays, compared, weighted
from ml_platform.monitoring.drift_checks import check_names, run_checks
from ml_platform.monitoring.drift_rules import alarming
from ml_platform.monitoring.population import Population
from ml_platform.plots.drift import drift_by_feature
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.display import drawn
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, record_after
from ml_platform.spec.canonical import libraries
from ml_platform.spec.expressions import columns_read
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.results import DriftResult
from ml_platform.steps.drift_sides import Judged, holdout_scores, judged, populations, slices
from ml_platform.steps.predictions import serving

CODE_VERSION = 3  # of how drift is measured; part of its content key (S31)
ROLE = "champion"
NO_CHAMPION = "no champion"
SCHEMA = {
    "version": pl.Int64(),
    "role": pl.String(),
    "feature": pl.String(),
    "kind": pl.String(),
    "psi": pl.Float64(),
    "distance": pl.Float64(),
    "nulls": pl.Float64(),
    "reference_nulls": pl.Float64(),
    "null_change": pl.Float64(),
    "unseen": pl.Int64(),
    "unseen_share": pl.Float64(),
    "importance": pl.Float64(),
    "status": pl.String(),
    "rows": pl.Int64(),
    "reference_rows": pl.Int64(),
}
_IN_PICTURE = 12
_NOTABLE = 0.1  # PSI: below, by convention, a column did not change
# The rest of Drift is about the report.
_THRESHOLDS = ("weighted", "score", "important", "feature", "nulls", "unseen", "min_rows")


_MEANING = {
    "version": "the champion that scored the partition",
    "role": "champion or challenger",
    "feature": "the column; empty: the weighted figure of all",
    "kind": "number, level (a category), score or weighted",
    "psi": "population stability index against the reference; nulls are a separate bin",
    "distance": "Wasserstein distance in standard deviations of the reference, or Jensen-Shannon for categories",
    "nulls": "share of nulls here",
    "reference_nulls": "share of nulls in the reference",
    "null_change": "the difference of the two",
    "unseen": "number of categories that the reference does not have",
    "unseen_share": "share of the rows with such a category",
    "importance": "the feature's share of the importance",
    "status": "ok, or why it could not be compared",
    "rows": "examples of the partition",
    "reference_rows": "rows of the reference",
}


class DriftStep(Step):
    """Drift of a partition against the training data of its champion."""

    name = "drift"
    job = "data"
    result = DriftResult
    kinds = ("duckdb", "polars")
    summary = "Drift of the partition's features and scores against the training data of its champion."
    explanation = "It is measured for each feature and for the score, and as one figure weighted by feature importance."
    changes_with = "the features or predictions of the partition, or the champion"
    advice = "check the important features first. Seasonal drift does little harm, a broken source does."
    alerts = "drift"

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "features", "predictions")

    def table(self, pipeline: ModelPipeline) -> str:
        return f"{pipeline.name}.drift"

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        return TableColumns(SCHEMA, _MEANING)

    def checks(self, pipeline: ModelPipeline) -> tuple[tuple[str, str], ...]:
        return tuple(check_names(pipeline.drift))

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the feature rows, the predictions (and so the champion) and the thresholds."""
        reads = [read for step in ("features", "predictions") for read in reading.own(ws, pipeline, step, [partition])]
        thresholds = [getattr(pipeline.drift, name) for name in _THRESHOLDS]
        return recipe("drift", CODE_VERSION, thresholds, reads, libraries("duckdb", "numpy", "polars"))

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """One row per column and per score, and the weighted figure. Without a champion, one row that says so."""
        version = scored_by(ws, pipeline, partition)
        if version is None:
            row = {"feature": "", "kind": "weighted", "role": ROLE, "status": NO_CHAMPION, "rows": 0}
            display: dict[str, Any] = {"champion": "none yet"}
            checks = run_checks(pipeline.drift, [], [], {}, None)
            return _written(ws, author, pipeline, [row], DriftResult(), display, checks)
        with judged(ws, pipeline, partition, version) as subject:
            columns = list(compared(*populations(ws, subject), _names(pipeline, subject.bundle)))
            columns = without_texts(columns, subject.bundle)
            columns = without_calendar(ws.lake, subject.train, subject.current, subject.definition, columns)
            scores = list(_scores(ws, pipeline, partition, subject))
        weights = subject.bundle.fitted.importance()
        figure = weighted(columns, weights)
        rows = [{**_row(one, version), "importance": weights.get(one.name, 0.0)} for one in columns]
        rows += [{**_row(one, version), "kind": "score"} for one in scores]
        rows.append(
            {
                "version": version,
                "role": ROLE,
                "feature": "",
                "kind": "weighted",
                "psi": figure,
                "status": "ok" if figure is not None else "empty",
                "rows": max((one.rows for one in columns), default=0),
                "reference_rows": max((one.reference_rows for one in columns), default=0),
            }
        )
        checks = run_checks(pipeline.drift, columns, scores, weights, figure)
        display = _display(ws, pipeline, version, columns, scores, weights, figure)
        result = _result(pipeline, version, columns, weights, figure)
        return _written(ws, author, pipeline, rows, result, display, checks)


def scored_by(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """The champion that made the predictions. Without partitions there may be several: then the one that serves."""
    rows = ws.lake.rows(
        f"SELECT DISTINCT version FROM {rows_of(ws.lake, pipeline.name, 'predictions', partition)} WHERE role = ?",
        [ROLE],
    )
    scored = sorted(version for (version,) in rows)
    champion = serving(ws, pipeline, partition)
    return champion if champion in scored else scored[-1] if scored else None


def without_calendar(
    lake: Lake, train: str, current: str, definition: FeatureDefinition, columns: list[ColumnDrift]
) -> list[ColumnDrift]:
    """The columns, those that tell the time marked as such. Only those that drifted are looked at.

    `train` and `current` are the relations that were compared, in SQL.
    """
    at, by_name = definition.at, {one.name: one for one in columns}
    drifted = [name for name, one in by_name.items() if (one.psi or 0.0) >= _NOTABLE]
    if at is None or not drifted:
        return columns
    before, now = (slices(lake, side, at, drifted) for side in (train, current))
    calendar = calendar_columns(before, now, _of_time_alone(definition))
    return [replace(one, status=CALENDAR) if one.name in calendar else one for one in columns]


def without_texts(columns: list[ColumnDrift], bundle: Bundle) -> list[ColumnDrift]:
    """The columns; of texts that the model reads by their n-grams only the nulls are judged: each may be another."""
    words = [word for word in bundle.training.get("transforms", ()) if word["kind"] == "Hashed"]
    texts = {name for word in words for name in word["columns"]}
    unjudged: dict[str, Any] = dict.fromkeys(("psi", "distance", "unseen", "unseen_share"))
    return [replace(one, status=HASHED, **unjudged) if one.name in texts else one for one in columns]


def _of_time_alone(definition: FeatureDefinition) -> frozenset[str]:
    """The features that are computed from the prediction time and from nothing else."""
    names = {definition.at}
    for form in definition.derived:  # each after those that it reads
        if (read := columns_read(form.expression)) and read <= names:
            names.add(form.name)
    return frozenset(name for name in names if name is not None)


def _result(
    pipeline: ModelPipeline, version: int, columns: list[ColumnDrift], weights: dict[str, float], figure: float | None
) -> DriftResult:
    rows = max((one.rows for one in columns), default=0)
    broken = alarming(pipeline.drift, columns, weights)
    calendar = tuple(one.name for one in columns if one.status == CALENDAR)
    return DriftResult(version, figure, rows, broken.moved, broken.nulls, broken.unseen, calendar)


def _names(pipeline: ModelPipeline, bundle: Bundle) -> list[str]:
    """The champion's columns, then columns declared since its training."""
    return list(dict.fromkeys([*bundle.columns, *pipeline.model_columns]))


def _scores(ws: Workspace, pipeline: ModelPipeline, partition: str, subject: Judged) -> Iterator[ColumnDrift]:
    """The score against the holdout's; one for each class of a multiclass task."""
    then = holdout_scores(ws, subject)
    now = ws.lake.frame(
        f"SELECT score, scores FROM {rows_of(ws.lake, pipeline.name, 'predictions', partition)} "
        "WHERE version = ? AND role = ?",
        [subject.version.version, ROLE],
    )
    then_by, now_by = {"score": then}, {"score": now["score"]}
    if subject.bundle.classes:
        indices = {f"score of {name}": index for index, name in enumerate(subject.bundle.classes)}
        then_by = {name: then[:, index] for name, index in indices.items()}
        now_by = {name: now["scores"].list.get(index) for name, index in indices.items()}
    yield from compared(Population.of(pl.DataFrame(then_by)), Population.of(pl.DataFrame(now_by)), list(then_by))


def _row(finding: ColumnDrift, version: int) -> dict[str, Any]:
    return {
        "version": version,
        "role": ROLE,
        "feature": finding.name,
        "kind": finding.kind,
        "null_change": finding.null_change,
        **{name: getattr(finding, name) for name in ("psi", "distance", "nulls", "reference_nulls")},
        **{name: getattr(finding, name) for name in ("unseen", "unseen_share", "status", "rows", "reference_rows")},
    }


def _display(
    ws: Workspace,
    pipeline: ModelPipeline,
    version: int,
    columns: list[ColumnDrift],
    scores: list[ColumnDrift],
    weights: dict[str, float],
    figure: float | None,
) -> dict[str, Any]:
    names, moved, shares = arrays(columns, weights, _IN_PICTURE)
    by_name = {one.name: one for one in columns}
    display: dict[str, Any] = {
        "champion": f"{pipeline.name}@{version}",
        "weighted drift": figure,
        **{f"{one.name} psi": one.psi for one in scores},
        "drifted columns": sum((one.psi or 0) > pipeline.drift.feature for one in columns),
        "largest null change": max((abs(one.null_change or 0.0) for one in columns), default=0.0),
        "rows with unseen categories": max((one.unseen_share or 0.0 for one in columns), default=0.0),
        "most drifted": [
            {
                "column": name,
                "psi": round(float(psi), 3),
                "distance": by_name[name].distance,
                "importance": round(float(share), 3),
                "importance × psi": round(float(share) * min(float(psi), CAP), 3),  # the order
            }
            for name, psi, share in zip(names, moved, shares, strict=True)
        ],
        "not compared": [{"column": one.name, "status": one.status} for one in columns if one.status != "ok"],
    }
    if names:
        display["drift by feature"] = drawn(ws, lambda: drift_by_feature(names, moved, shares, pipeline.drift.feature))
    return {name: value for name, value in display.items() if value is not None and value != []}


def _written(
    ws: Workspace,
    author: Author,
    pipeline: ModelPipeline,
    rows: list[dict[str, Any]],
    result: DriftResult,
    display: dict[str, Any],
    checks: Sequence[CheckResult],
) -> Outcome:
    with write(ws.lake, author) as tx:
        frame = pl.DataFrame(rows, schema=SCHEMA)
        count = tx.replace(pipeline.name, "drift", frame, partition=author.partition)
        return record_after(tx, ws, author, Outcome(count, result=result, display=display, checks=tuple(checks)))
