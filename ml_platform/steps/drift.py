"""The drift step: compares a partition with the training data of its champion (S21, S29)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.models import bundle as bundles
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.monitoring.drift import Found, Population, arrays, compared, kind_of, weighted
from ml_platform.monitoring.drift_checks import check_names, run_checks
from ml_platform.naming import literal, quoted
from ml_platform.plots.drift import drift_by_feature
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.display import drawn
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, record_after
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.state.results import DriftResult
from ml_platform.state.versions import Version
from ml_platform.steps import features
from ml_platform.steps.predictions import serving

CODE_VERSION = 1  # of how drift is measured; part of its content key (S31)
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
_THRESHOLDS = ("weighted", "score", "feature", "nulls", "min_rows")  # the rest of Drift is about the report


@dataclass(frozen=True)
class Judged:
    """A champion with the SQL relations of its training data and of the examples it scored in a partition."""

    version: Version
    bundle: Bundle
    train: str
    holdout: str
    current: str


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
            columns = list(compared(*_populations(ws, subject), _names(pipeline, subject.bundle)))
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
        return _written(ws, author, pipeline, rows, DriftResult(version, figure), display, checks)


def scored_by(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """The champion that made the predictions. Without partitions there may be several: then the one that serves."""
    rows = ws.lake.rows(
        f"SELECT DISTINCT version FROM {quoted(pipeline.name)}.predictions WHERE _partition = ? AND role = ?",
        [partition, ROLE],
    )
    scored = sorted(version for (version,) in rows)
    champion = serving(ws, pipeline, partition)
    return champion if champion in scored else scored[-1] if scored else None


@contextmanager
def judged(ws: Workspace, pipeline: ModelPipeline, partition: str, number: int) -> Iterator[Judged]:
    """A version's reference and the examples that it scored, while the context is open.

    Raises BlobError when its training set or bundle is missing or damaged.
    """
    version = versions.version(ws.state, pipeline.name, number)
    bundle = bundles.load(ws.blobs, version.bundle)
    stored = f"read_parquet({literal(str(ws.blobs.get(version.training_set)))})"
    definition = FeatureDefinition.from_json(bundle.definition)
    with features.relation(ws, pipeline, partition, definition) as rows:
        current = rows
        if pipeline.partitions is None:  # as in scoring: what it was trained on says nothing
            same = " AND ".join(f"f.{quoted(n)} IS NOT DISTINCT FROM t.{quoted(n)}" for n in definition.identity)
            current = f"(SELECT f.* FROM {rows} f ANTI JOIN (FROM {stored} WHERE _part <> 'holdout') t ON {same})"
        yield Judged(
            version,
            bundle,
            f"(SELECT * FROM {stored} WHERE _part = 'train')",
            f"(SELECT * FROM {stored} WHERE _part = 'holdout')",
            current,
        )


def holdout_scores(ws: Workspace, subject: Judged) -> npt.NDArray[np.float64]:
    """The scores of the version's holdout, in batches: shape (n,), or (n, classes)."""
    predictor = Predictor(subject.bundle, threads=ws.settings.threads)
    listed = ", ".join(map(quoted, predictor.columns))
    batches = ws.lake.stream(f"SELECT {listed} FROM {subject.holdout}")
    scores = [predictor.scores(pl.DataFrame(pl.from_arrow(batch))) for batch in batches if batch.num_rows]
    return np.concatenate(scores) if scores else np.empty((0, len(predictor.classes)) if predictor.classes else 0)


def _populations(ws: Workspace, subject: Judged) -> tuple[Population, Population]:
    def population(relation: str) -> Population:
        (rows,) = ws.lake.rows(f"SELECT count(*) FROM {relation}")[0]
        schema = ws.lake.frame(f"SELECT * FROM {relation} LIMIT 0").schema

        def numbers(names: Sequence[str]) -> pl.DataFrame:
            return ws.lake.frame(f"SELECT {', '.join(map(quoted, names))} FROM {relation}") if names else pl.DataFrame()

        def levels(name: str) -> dict[str | None, int]:
            return dict(ws.lake.rows(f"SELECT {quoted(name)}::VARCHAR, count(*) FROM {relation} GROUP BY 1"))

        return Population(int(rows), {name: kind_of(dtype) for name, dtype in schema.items()}, numbers, levels)

    return population(subject.train), population(subject.current)


def _names(pipeline: ModelPipeline, bundle: Bundle) -> list[str]:
    """The champion's columns, then columns declared since its training."""
    return list(dict.fromkeys([*bundle.columns, *pipeline.model_columns]))


def _scores(ws: Workspace, pipeline: ModelPipeline, partition: str, subject: Judged) -> Iterator[Found]:
    """The score against the holdout's; one for each class of a multiclass task."""
    then = holdout_scores(ws, subject)
    now = ws.lake.frame(
        f"SELECT score, scores FROM {quoted(pipeline.name)}.predictions "
        "WHERE _partition = ? AND version = ? AND role = ?",
        [partition, subject.version.version, ROLE],
    )
    then_by, now_by = {"score": then}, {"score": now["score"]}
    if subject.bundle.classes:
        indices = {f"score of {name}": index for index, name in enumerate(subject.bundle.classes)}
        then_by = {name: then[:, index] for name, index in indices.items()}
        now_by = {name: now["scores"].list.get(index) for name, index in indices.items()}
    yield from compared(Population.of(pl.DataFrame(then_by)), Population.of(pl.DataFrame(now_by)), list(then_by))


def _row(finding: Found, version: int) -> dict[str, Any]:
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
    columns: list[Found],
    scores: list[Found],
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
