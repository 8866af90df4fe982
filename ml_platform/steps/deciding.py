"""The decision step: whether to train after this partition, on record either way (S20, S21).

The table is a history: each decision adds a row, none is changed or removed (S6). The newest row of
a partition is the one that counts.
"""

import json
from dataclasses import replace
from typing import Any

import polars as pl

from ml_platform.errors import OrderError, RetrainRefused
from ml_platform.lake import files, ledger
from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.retraining.policy import Decision, Evidence, Forced, decide
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps import evidence as evidences
from ml_platform.steps import reading
from ml_platform.steps.workspace import Outcome, Workspace, already_made, record, stamp, window_of
from ml_platform.training import training_set
from ml_platform.training.training_set import Readiness

CODE_VERSION = 2  # of how decisions are made; part of their content key (S31)
SCHEMA = {
    "pipeline": pl.String(),
    "decided_at": pl.Datetime("us", "UTC"),
    "outcome": pl.String(),
    "reason": pl.String(),
    "policy": pl.String(),
    "evidence": pl.String(),
    "run_id": pl.String(),
    "recorded_at": pl.Datetime("us", "UTC"),
}


def key(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
    """From the policy, the decisions before, the evidence, and the labels known by the end of the partition."""
    return _key(ws, pipeline, partition, evidences.forced(ws, pipeline, partition))


def make(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Decide by the declared policy and record evidence, outcome and reason."""
    ready = _readiness(ws, pipeline, partition)
    return _take(ws, pipeline, author, ready, _evidence(ws, pipeline, partition, ready))


def force(ws: Workspace, pipeline: ModelPipeline, partition: str, request: Forced) -> tuple[Decision, bool]:
    """Decide that a training follows this partition because a person wants it; the decision, and whether it is new.

    One that fired already stands, so asking twice is asking once, but for one whose training is settled and
    which `request` replaces. Raises OrderError for a partition that was never decided, and RetrainRefused when
    there is too little to train on.
    """
    standing = of(ws, pipeline, partition)
    if standing.fired and not request.replaces:
        return standing, False
    asset = f"{pipeline.name}/decision"
    with ws.lake.reading():
        made_of = _key(ws, pipeline, partition, request)
    author = Author(asset, partition, made_of.content_key, reads=made_of.reads)
    ready = _readiness(ws, pipeline, partition)
    if ready.lacking:
        raise RetrainRefused(
            f"{pipeline.name} is not retrained after {partition}: {ready.lacking}.",
            remedy="Land more labels, or declare a lower min_examples in Retrain.",
        )
    seen = replace(_evidence(ws, pipeline, partition, ready), forced=request)
    outcome = _take(ws, pipeline, author, ready, seen, unless_fired=not request.replaces)
    return of(ws, pipeline, partition), outcome.status == "made"


def of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Decision:
    """The decision that counts: the newest on record. Raises OrderError when there is none yet."""
    found = ws.lake.once(f"decisions of {pipeline.name}", lambda: _counting(ws, pipeline)).get(partition)
    if found is None:
        raise OrderError(
            f"{pipeline.name} has no decision for {partition}.",
            remedy=f"Materialize {pipeline.name}/decision for {partition} first.",
        )
    return found


def _counting(ws: Workspace, pipeline: ModelPipeline) -> dict[str, Decision]:
    """The decision that counts of every partition."""
    if not ws.lake.columns(pipeline.name, "decisions"):
        return {}
    rows = ws.lake.rows(
        f"SELECT _partition, outcome, reason FROM {quoted(pipeline.name)}.decisions "
        "QUALIFY row_number() OVER (PARTITION BY _partition ORDER BY recorded_at DESC, rowid DESC) = 1"
    )
    return {partition: Decision(outcome, reason) for partition, outcome, reason in rows}


def newest(ws: Workspace, pipeline: ModelPipeline) -> str:
    """The last partition that was decided. Raises OrderError when none was."""
    made = [partition for _, partition in ledger.latest(ws.lake, f"{pipeline.name}/decision")]
    if not made:
        raise OrderError(
            f"{pipeline.name} has decided nothing yet.", remedy=f"Run it first: `ml-platform run {pipeline.name}`."
        )
    return max(made)


def history(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Every decision, newest first; `counts` where it is the newest of its partition."""
    if not ws.lake.columns(pipeline.name, "decisions"):
        return []
    found = ws.lake.frame(
        "SELECT _partition AS partition, decided_at, outcome, reason, policy, evidence, run_id, recorded_at, "
        "row_number() OVER (PARTITION BY _partition ORDER BY recorded_at DESC, rowid DESC) = 1 AS counts "
        f"FROM {quoted(pipeline.name)}.decisions ORDER BY recorded_at DESC, rowid DESC"
    )
    parsed = {name: pl.Series(name, list(map(json.loads, found[name])), pl.Object) for name in ("policy", "evidence")}
    return found.with_columns(**parsed).to_dicts()


def _key(ws: Workspace, pipeline: ModelPipeline, partition: str, request: Forced | None) -> Recipe:
    upto, end = pipeline.partition_keys_upto(partition), window_of(pipeline, partition)[1]
    reads = [
        *reading.own(ws, pipeline, "features", upto),
        *reading.labels(ws, pipeline, end),
        *evidences.watched(ws, pipeline, partition),
    ]
    ago = _since_fired(ws, pipeline, partition)
    return recipe(
        "decision",
        CODE_VERSION,
        pipeline.retrain,
        training_set.declaration(pipeline),
        reads,
        ago,
        request,
        by_content=_last_fired(ws, pipeline, upto, ago),
    )


def _readiness(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Readiness:
    end, upto = window_of(pipeline, partition)[1], pipeline.partition_keys_upto(partition)
    return training_set.readiness(ws.lake, ws.blobs, pipeline, decided_at=end, partitions_upto=upto)


def _evidence(ws: Workspace, pipeline: ModelPipeline, partition: str, ready: Readiness) -> Evidence:
    return Evidence(
        since_fired=_since_fired(ws, pipeline, partition),
        labelled=ready.labelled,
        lacking=ready.lacking,
        drift=evidences.drift(ws, pipeline, partition),
        performance=evidences.performance(ws, pipeline, partition) if pipeline.retrain.on_performance else None,
        forced=evidences.forced(ws, pipeline, partition),
    )


def _take(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    ready: Readiness,
    seen: Evidence,
    *,
    unless_fired: bool = False,
) -> Outcome:
    """Add the decision to the history, unless a process that was faster did: then it is that one."""
    decision = decide(pipeline.retrain, seen)
    counts = {"immature": ready.immature, **ready.parts}
    with write(ws.lake, author) as tx:
        if made := already_made(ws, author, f"{pipeline.name}.decisions"):
            return made
        if unless_fired and of(ws, pipeline, author.partition).fired:
            return Outcome(0, "unchanged")
        row = {
            "pipeline": pipeline.name,
            "decided_at": ready.decided_at,
            "outcome": decision.outcome,
            "reason": decision.reason,
            "policy": json.dumps(canonical(pipeline.retrain)),
            "evidence": evidences.to_json(seen, counts),
            "run_id": author.run_id,
            "recorded_at": stamp(),
        }
        tx.append(pipeline.name, "decisions", pl.DataFrame([row], schema=SCHEMA), partition=author.partition)
        files.made_again(ws.lake, pipeline.name, "decisions", author.partition)
        told = {"outcome": decision.outcome, "reason": decision.reason, "labelled": seen.labelled, **counts}
        outcome = Outcome(1, metadata={**told, **_monitoring(seen)})
        record(tx, author, outcome)
    return outcome


def _monitoring(seen: Evidence) -> dict[str, Any]:
    """The evidence that there is beside labels, in words for people."""
    told: dict[str, Any] = {"since fired": seen.since_fired, "drift": seen.drift}
    if seen.performance is not None:
        told |= {f"realised {seen.performance.metric}": seen.performance.realised, "worse by": seen.performance.loss}
    if seen.forced is not None:
        told |= {"forced by": seen.forced.by, "why": seen.forced.why}
    return {name: value for name, value in told.items() if value is not None}


def _last_fired(ws: Workspace, pipeline: ModelPipeline, upto: list[str], ago: int | None) -> list[Read]:
    """The decision that the policy counts from."""
    return reading.own(ws, pipeline, "decision", [] if ago is None else [upto[-1 - ago]])


def _since_fired(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """How many partitions ago the last decision before this one led to a training; None when none did."""
    if pipeline.partitions is None:
        return None
    made = ledger.latest(ws.lake, f"{pipeline.name}/decision")
    before = pipeline.partition_keys_upto(partition)[:-1]
    for ago, earlier in enumerate(reversed(before), start=1):
        decision = made.get((f"{pipeline.name}/decision", earlier))
        if decision is not None and decision.details["metadata"]["outcome"] in ("fired", "forced"):
            return ago
    return None
