"""A model card, put together from what is on record of a version."""

import math
from collections.abc import Mapping
from datetime import datetime

from ml_platform.evaluation.intervals import Interval
from ml_platform.evaluation.segments import MIN_ROWS
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import outputs_since
from ml_platform.models import bundle as bundles
from ml_platform.naming import capitalized
from ml_platform.runtime import reading
from ml_platform.runtime.data_blocks import data_blocks
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.examples import Label
from ml_platform.spec.expression_wording import expression_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions, verdicts, versions
from ml_platform.state.results import TrainingSetResult
from ml_platform.state.verdicts import Verdict
from ml_platform.state.versions import Version
from ml_platform.training.splits import PARTS
from ml_platform.views.feature_sources import tables_of_columns
from ml_platform.views.model_card.card import (
    CARD_FORM,
    Comparison,
    Feature,
    Gate,
    Metric,
    ModelCard,
    PartRows,
    Reproduction,
    Selected,
    Target,
    Training,
)
from ml_platform.views.model_card.limits import limits
from ml_platform.views.model_card.measured import ColumnSeen, Measured, measured
from ml_platform.views.model_card.so_far import changes_about, so_far
from ml_platform.views.model_card.tables_read import tables_read


def model_card(ws: Workspace, pipeline: ModelPipeline, number: int) -> ModelCard:
    """The whole card of a version, as the records say it now.

    It scores the holdout (S24) to measure segments: seconds for a few hundred thousand rows, once a process.
    Raises NotFoundError when the version does not exist, BlobError without its bundle or training set.
    """
    with ws.reading():
        version = versions.version(ws.state, pipeline.name, number)
        threads = ws.settings.threads
        figures = measured(ws.blobs, version.training_set, version.bundle, _min_rows(pipeline), threads)
        return _card(ws, pipeline, version, figures)


def stored_card(ws: Workspace, pipeline: ModelPipeline, number: int) -> ModelCard:
    """The card that is stored with a version: what is on record of its training, without what happened since.

    Raises NotFoundError when the version does not exist, BlobError without its bundle.
    """
    return _card(ws, pipeline, versions.version(ws.state, pipeline.name, number), None)


def _card(ws: Workspace, pipeline: ModelPipeline, version: Version, figures: Measured | None) -> ModelCard:
    number = version.version
    bundle = bundles.load(ws.blobs, version.bundle)
    judged = verdicts.of(ws.state, pipeline.name, number)
    features = _features(ws, bundle, figures.columns if figures else {})
    parts = _parts(version)
    immature = _immature(ws, version)
    comparison = _comparison(pipeline, figures)
    log = promotions.history(ws.state, pipeline.name)
    return ModelCard(
        format=CARD_FORM,
        pipeline=pipeline.name,
        version=number,
        description=pipeline.description,
        purpose=pipeline.purpose,
        owners=tuple(pipeline.owners),
        target=_target(pipeline, bundle),
        training=Training(
            partition=version.partition,
            decided_at=version.decided_at,
            decision=_decision(ws, version),
            trained_at=version.created_at,
            run_id=version.run_id,
            content_key=version.content_key,
            code_version=version.code_version,
            training_set=version.training_set,
            bundle=version.bundle,
            bundle_bytes=version.metrics.get("bytes"),
            model_format=bundle.model_format,
            parts=parts,
            immature=immature,
            parameters=version.parameters,
            environment=version.environment,
        ),
        tables=tables_read(ws, version) if figures else (),
        failed_checks=_failed_checks(ws, pipeline, number),
        features=features,
        metrics=_metrics(version, judged, figures.overall if figures else {}),
        comparison=comparison,
        gates=tuple(_gate(verdict) for verdict in judged),
        reproduction=_reproduction(ws, version, judged),
        so_far=so_far(ws, pipeline.name, number) if figures else None,
        limits=limits(pipeline, bundle, parts, immature, features, comparison),
        changes=changes_about(log, number, version.partition) if figures else (),
        selection=tuple(Selected(**choice.to_json()) for choice in getattr(bundle.fitted, "selection", ())),
    )


def _min_rows(pipeline: ModelPipeline) -> dict[str, int]:
    """Each compared column with the least rows of a segment: the least number that a gate of it declares."""
    declared: dict[str, list[int]] = {}
    for gate in pipeline.gates:
        least = getattr(gate, "min_rows", None)
        if gate.sliced_by is not None and least is not None:
            declared.setdefault(gate.sliced_by, []).append(least)
    return {column: min(declared.get(column, [MIN_ROWS])) for column in pipeline.compared_columns}


def _target(pipeline: ModelPipeline, bundle: bundles.Bundle) -> Target:
    label = pipeline.examples.label
    if isinstance(label, Label):
        value = to_portable(label.value, "label") if label.value is not None else None
        words = f"whether there is a row in {label.table}" if value is None else expression_in_words(value)
    else:
        expression = pipeline.examples.label_expression
        assert expression is not None  # a label that is no `Label` is one
        words = expression_in_words(to_portable(expression, "label"))
    return Target(
        task=bundle.task,
        label=words,
        table=pipeline.label_table,
        predicts_at=pipeline.examples.at,
        matures_after=label.matures_after if isinstance(label, Label) else None,
        classes=bundle.classes,
        headline=pipeline.headline,
    )


def _parts(version: Version) -> tuple[PartRows, ...]:
    bounds = version.bounds
    return tuple(
        PartRows(part, str(bounds[part].get("first") or ""), str(bounds[part].get("last") or ""), _rows(bounds[part]))
        for part in PARTS
        if part in bounds
    )


def _rows(bound: Mapping[str, object]) -> int:
    rows = bound.get("rows")
    return rows if isinstance(rows, int) else 0


def _immature(ws: Workspace, version: Version) -> int | None:
    """How many examples had no label at the decision, by the record of the training set."""
    asset = f"{version.pipeline}/training_set"
    for record in reversed(ledger.history(ws.state, asset)):
        if record.output == version.training_set:
            details = record.result_as(TrainingSetResult).details
            return None if details is None else int(details["immature"])
    return None


def triggering_decision(ws: Workspace, version: Version) -> decisions.DecisionRecord | None:
    """The decision that the version was trained by: the newest of its partition when it was registered."""
    taken = (
        one
        for one in decisions.history(ws.state, version.pipeline)
        if one.partition == version.partition and one.trains and one.recorded_at <= version.created_at
    )
    return max(taken, key=lambda one: one.recorded_at, default=None)


def _decision(ws: Workspace, version: Version) -> str:
    decision = triggering_decision(ws, version)
    return f"{decision.outcome}: {decision.reason}" if decision else ""


def _failed_checks(ws: Workspace, pipeline: ModelPipeline, number: int) -> tuple[str, ...]:
    """The failed checks on its data that keep it from serving, or that a person passed over."""
    champion = promotions.champion_at(ws.state, pipeline.name)
    log = promotions.changes(promotions.history(ws.state, pipeline.name))
    mine = [entry for entry in log if entry.version == number]
    if not mine:
        return tuple(capitalized(block.phrase) for block in data_blocks(ws, pipeline, number, champion))
    passed_over = [entry for entry in mine if entry.overrides]
    return tuple(f"Promoted by {entry.actor} ({entry.reason}) over: {entry.overrides}" for entry in passed_over)


def _features(ws: Workspace, bundle: bundles.Bundle, seen: Mapping[str, ColumnSeen]) -> tuple[Feature, ...]:
    definition = FeatureDefinition.from_json(bundle.definition)
    since: Mapping[str, datetime | None] = outputs_since(definition, reading.available_since(ws, definition))
    shares, tables = bundle.fitted.importance(), tables_of_columns(definition)
    listed = []
    for name in sorted(bundle.columns, key=lambda name: (-shares.get(name, 0.0), name)):
        column = seen.get(name, ColumnSeen(None, None, None, None))
        levels = len(bundle.levels[name]) if name in bundle.levels else None
        listed.append(
            Feature(
                name=name,
                type=bundle.columns[name],
                importance=shares.get(name),
                tables=tables.get(name, ()),
                available_since=since.get(name),
                null_share=column.null_share,
                lowest=column.lowest,
                highest=column.highest,
                levels=levels,
                unseen_share=column.unseen_share,
            )
        )
    return tuple(listed)


def _metrics(version: Version, judged: list[Verdict], overall: Mapping[str, Interval]) -> tuple[Metric, ...]:
    holdout = version.metrics.get("holdout", {})
    listed = []
    for name, value in holdout.items():
        if value is not None:
            interval = _judged(name, value, judged) or overall.get(name) or Interval(value, None, None)
            listed.append(Metric(name, value, interval.low, interval.high))
    return tuple(listed)


def _judged(metric: str, value: float, judged: list[Verdict]) -> Interval | None:
    """The interval of a gate that measured the same value, if any."""
    for verdict in judged:
        own = verdict.metric == metric and not verdict.slice and verdict.low is not None
        if own and math.isclose(verdict.value or math.nan, value, rel_tol=1e-9):
            return Interval(value, verdict.low, verdict.high)
    return None


def _comparison(pipeline: ModelPipeline, figures: Measured | None) -> Comparison | None:
    if figures is None:
        return None
    of = figures.segments
    return Comparison(pipeline.compared_columns, of.metrics, of.gaps, dict(of.left_out), of.rows, of.of_rows)


def _gate(verdict: Verdict) -> Gate:
    return Gate(
        gate=verdict.gate,
        segment=verdict.slice,
        metric=verdict.metric,
        outcome=verdict.outcome,
        severity=verdict.severity,
        value=verdict.value,
        threshold=verdict.threshold,
        low=verdict.low,
        high=verdict.high,
        rows=verdict.rows,
        detail=verdict.detail,
        measurement=verdict.measurement,
    )


def _reproduction(ws: Workspace, version: Version, judged: list[Verdict]) -> Reproduction:
    rewriting = ws.blobs.rewriting(version.training_set)
    if rewriting is not None:
        forgotten = f"It cannot be reproduced since {rewriting.at}: rows of its training set were forgotten."
        return Reproduction(None, forgotten, None)
    for verdict in reversed(judged):
        if verdict.metric == "identical" and not verdict.slice:
            return Reproduction(verdict.passed, verdict.detail, verdict.recorded_at)
    return Reproduction(None, "No gate has trained it again.", None)
