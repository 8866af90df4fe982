"""The decision step: whether to train after this partition (S20, S21).

Every decision is recorded, whether it trains or not. Rows are only added, never changed or removed (S6). The newest
row of a partition is in effect.
"""

import json
from bisect import bisect_left
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.errors import OrderError, RetrainRefused
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.retraining.policy import Decision, Evidence, ManualRequest, decide, quiet
from ml_platform.runtime import reading
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, already_made, record, window_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions
from ml_platform.state.results import DecisionResult
from ml_platform.steps import evidence as evidences
from ml_platform.training import training_set
from ml_platform.training.training_set import Readiness
from ml_platform.validation.version_order import with_paths

CODE_VERSION = 2  # of how decisions are made; part of their content key (S31)
_TYPES = {
    "pipeline": pl.String(),
    "decided_at": pl.Datetime("us", "UTC"),
    "outcome": pl.String(),
    "reason": pl.String(),
    "policy": pl.String(),
    "evidence": pl.String(),
    "run_id": pl.String(),
    "recorded_at": pl.Datetime("us", "UTC"),
}
_MEANING = {
    "pipeline": "whose decision it is",
    "decided_at": "cut-off time: nothing known later is used",
    "outcome": "triggered, skipped or manual",
    "reason": "the reason as text",
    "policy": "the declared policy as JSON",
    "evidence": "the evidence as JSON",
    "run_id": "the run that recorded it",
    "recorded_at": "when it was recorded",
}


class DecisionStep(Step):
    """Whether to train after this partition, with evidence and reason."""

    name = "decision"
    job = "data"
    result = DecisionResult
    kinds = ("duckdb",)
    summary = "Whether to train after this partition, with evidence and reason."
    explanation = (
        "Every partition gets a row. A *triggered* or *manual* decision starts a training, a *skipped* one does not."
    )
    changes_with = "the declared policy, earlier decisions, or the data known by the end of the partition"
    advice = (
        "*skipped* is not an error. The reason names the condition that was not met. All decisions in SQL: "
        "`FROM registry.decisions`, up to the end of the last run."
    )

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "features", "performance", "drift")

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        return TableColumns(_TYPES, _MEANING)

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the policy, earlier decisions, the evidence, and the labels known by the end of the partition."""
        return _key(ws, pipeline, partition, evidences.manual(ws, pipeline, partition))

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Decide by the declared policy and record evidence, outcome and reason.

        If only the calendar can trigger a training and does not, no evidence is read. A skipped decision is also
        written to the promotion log, so that a later rollback does not affect its predictions.
        """
        seen = _timing(ws, pipeline, partition, evidences.manual(ws, pipeline, partition))
        if quiet(pipeline.retrain, seen):
            return _take(ws, pipeline, author, seen, seen.ends, {})
        return _judged(ws, pipeline, author, seen, _readiness(ws, pipeline, partition))


def request(ws: Workspace, pipeline: ModelPipeline, partition: str, asked: ManualRequest) -> tuple[Decision, bool]:
    """Record a manual decision to train after this partition. Returns the decision and whether it is new.

    A decision that trains already is returned as it is, unless its training is settled and `asked` replaces it.
    Raises OrderError for a partition without a decision, and RetrainRefused when there is too little to train on.
    """
    standing = of(ws, pipeline, partition)
    if standing.trains and not asked.replaces:
        return standing, False
    with ws.reading():
        made_of = _key(ws, pipeline, partition, asked)
    author = Author(f"{pipeline.name}/decision", partition, made_of.content_key, reads=made_of.reads)
    ready = _readiness(ws, pipeline, partition)
    if ready.lacking:
        raise RetrainRefused(
            f"{pipeline.name} is not retrained after {partition}: {ready.lacking}.",
            remedy="Land more labels, or declare a lower min_examples in Retrain.",
        )
    seen = _timing(ws, pipeline, partition, asked)
    outcome = _judged(ws, pipeline, author, seen, ready, unless_training=not asked.replaces)
    return of(ws, pipeline, partition), outcome.status == "made"


def of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Decision:
    """The decision in effect, which is the newest. Raises OrderError when there is none yet."""
    entry = decisions.current_of(ws.state, pipeline.name, partition)
    if entry is None:
        raise OrderError(
            f"{pipeline.name} has no decision for {partition}.",
            remedy=f"Materialize {pipeline.name}/decision for {partition} first.",
        )
    return evidences.decision_of(entry)


def newest(ws: Workspace, pipeline: ModelPipeline) -> str:
    """The last partition with a decision. Raises OrderError when there is none."""
    decided = [partition for _, partition in ledger.latest(ws.state, f"{pipeline.name}/decision")]
    if not decided:
        raise OrderError(
            f"{pipeline.name} has no decision yet.", remedy=f"Run it first: `ml-platform run {pipeline.name}`."
        )
    return max(decided)


def _key(ws: Workspace, pipeline: ModelPipeline, partition: str, asked: ManualRequest | None) -> Recipe:
    seen, upto = _timing(ws, pipeline, partition, asked), pipeline.partition_keys_upto(partition)
    ago, end = seen.since_triggered, seen.ends
    last = reading.own(ws, pipeline, "decision", [] if ago is None else [upto[-1 - ago]])
    if quiet(pipeline.retrain, seen):
        return recipe("decision", CODE_VERSION, pipeline.retrain, "not due", partition, ago, by_content=last)
    reads = [
        *reading.own(ws, pipeline, "features", upto),
        *reading.labels(ws, pipeline, end),
        *evidences.watched(ws, pipeline, partition),
    ]
    declared = training_set.declaration(pipeline)
    # The class had another name once; keys of lakes that exist hold it.
    stored = None if asked is None else {"kind": "Forced", **asdict(asked)}
    return recipe("decision", CODE_VERSION, pipeline.retrain, declared, reads, ago, stored, by_content=last)


def _readiness(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Readiness:
    end, upto = window_of(pipeline, partition)[1], pipeline.partition_keys_upto(partition)
    label_rows = with_paths(ws.state, pipeline.label_table)
    return training_set.readiness(
        ws.lake, ws.blobs, pipeline, label_rows=label_rows, decided_at=end, partitions_upto=upto
    )


def _timing(ws: Workspace, pipeline: ModelPipeline, partition: str, asked: ManualRequest | None) -> Evidence:
    """The evidence for the calendar, and any manual request."""
    ago, end = _since_triggered(ws, pipeline, partition), window_of(pipeline, partition)[1]
    trained = None
    if ago is not None:
        trained = window_of(pipeline, pipeline.partition_keys_upto(partition)[-1 - ago])[1]
    partitioned = pipeline.partitions is not None
    return Evidence(ago, labelled=None, lacking="", manual=asked, ends=end, trained=trained, partitioned=partitioned)


def _judged(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    timing: Evidence,
    ready: Readiness,
    *,
    unless_training: bool = False,
) -> Outcome:
    """Decide on all available evidence."""
    performance = pipeline.retrain.on_performance is not None
    drift = evidences.drift(ws, pipeline, author.partition)
    seen = replace(
        timing,
        labelled=ready.labelled,
        lacking=ready.lacking,
        drift=drift.weighted,
        moved=drift.moved,
        performance=evidences.performance(ws, pipeline, author.partition) if performance else None,
    )
    counts = {"immature": ready.immature, **ready.parts}
    return _take(ws, pipeline, author, seen, ready.decided_at, counts, unless_training=unless_training)


def _take(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    seen: Evidence,
    decided_at: datetime | None,
    counts: dict[str, int],
    *,
    unless_training: bool = False,
) -> Outcome:
    """Add the decision to the history, or return the equal one that another process added first."""
    decision = decide(pipeline.retrain, seen)
    with ws.state.writing():
        if hit := already_made(ws, author, None):
            return hit
        if unless_training and of(ws, pipeline, author.partition).trains:
            return Outcome(0, "unchanged")
        if not decision.trains and seen.ends is not None:
            promotions.keep(
                ws.state,
                pipeline.name,
                partition=author.partition,
                effective_at=seen.ends,
                reason=f"{decision.outcome}: {decision.reason}",
                actor="platform",
                run_id=author.run_id,
            )
        decisions.append(
            ws.state,
            pipeline.name,
            author.partition,
            decided_at=decided_at,
            outcome=decision.outcome,
            reason=decision.reason,
            policy=json.dumps(canonical(pipeline.retrain)),
            evidence=evidences.to_json(seen, counts),
            run_id=author.run_id,
        )
        labelled = {} if seen.labelled is None else {"labelled": seen.labelled}
        display = {"outcome": decision.outcome, "reason": decision.reason, **labelled, **counts, **_monitoring(seen)}
        return record(ws, author, Outcome(1, result=DecisionResult(decision.outcome), display=display))


def _monitoring(seen: Evidence) -> dict[str, Any]:
    """The evidence besides labels, for display."""
    display: dict[str, Any] = {"partitions since training": seen.since_triggered, "drift": seen.drift}
    if seen.moved:
        display["drifted important columns"] = ", ".join(seen.moved)
    if seen.performance is not None:
        worth = {f"realised {seen.performance.metric}": seen.performance.realised}
        display |= {**worth, "worse by": seen.performance.loss}
    if seen.manual is not None:
        display |= {"asked by": seen.manual.by, "why": seen.manual.why}
    return {name: value for name, value in display.items() if value is not None}


def _since_triggered(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """Partitions since the last earlier decision that trained; None when there is none."""
    if pipeline.partitions is None:
        return None
    position = {key: index for index, key in enumerate(pipeline.partition_keys_upto(partition))}
    trained = ws.state.once(f"partitions that trained of {pipeline.name}", lambda: _trained(ws, pipeline))
    before = bisect_left(trained, partition)
    return None if before == 0 else position[partition] - position[trained[before - 1]]


def _trained(ws: Workspace, pipeline: ModelPipeline) -> list[str]:
    """The partitions whose decision led to a training, in order."""
    others = ledger.latest_unlike(ws.state, f"{pipeline.name}/decision", DecisionResult("skipped"))
    return sorted(record.partition for record in others if record.result_as(DecisionResult).trains)
