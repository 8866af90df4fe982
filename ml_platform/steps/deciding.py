"""The decision step: whether to train after this partition, on record either way (S20, S21)."""

import json
from typing import Any

import polars as pl

from ml_platform.errors import OrderError
from ml_platform.lake import ledger
from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.retraining.policy import Decision, Evidence, decide
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps import reading
from ml_platform.steps.workspace import Outcome, Workspace, record, stamp, window_of
from ml_platform.training import training_set

CODE_VERSION = 1  # of how decisions are made; part of their content key (S31)
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
    """From the policy, the decisions before, the feature rows and the labels known by the end of the partition."""
    upto, end = pipeline.partition_keys_upto(partition), window_of(pipeline, partition)[1]
    reads = [*reading.own(ws, pipeline, "features", upto), *reading.labels(ws, pipeline, end)]
    ago = _since_fired(ws, pipeline, partition)
    return recipe(
        "decision",
        CODE_VERSION,
        pipeline.retrain,
        training_set.declaration(pipeline),
        reads,
        ago,
        by_content=_last_fired(ws, pipeline, upto, ago),
    )


def make(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Decide by the declared policy and record evidence, outcome and reason."""
    end = window_of(pipeline, partition)[1]
    ready = training_set.readiness(
        ws.lake, ws.blobs, pipeline, decided_at=end, partitions_upto=pipeline.partition_keys_upto(partition)
    )
    evidence = Evidence(_since_fired(ws, pipeline, partition), ready.labelled, ready.lacking)
    decision = decide(pipeline.retrain, evidence)
    seen = {"labelled": ready.labelled, "immature": ready.immature, **ready.parts, "since fired": evidence.since_fired}
    row = {
        "pipeline": pipeline.name,
        "decided_at": ready.decided_at,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "policy": json.dumps(canonical(pipeline.retrain)),
        "evidence": json.dumps(seen),
        "run_id": author.run_id,
        "recorded_at": stamp(),
    }
    with write(ws.lake, author) as tx:
        tx.replace(pipeline.name, "decisions", pl.DataFrame([row], schema=SCHEMA), partition=partition)
        told: dict[str, Any] = {"outcome": decision.outcome, "reason": decision.reason, **seen}
        outcome = Outcome(1, metadata={name: value for name, value in told.items() if value is not None})
        record(tx, author, outcome)
    return outcome


def of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Decision:
    """The decision on record. Raises OrderError when there is none yet."""
    if ws.lake.columns(pipeline.name, "decisions"):
        rows = ws.lake.rows(f"SELECT outcome, reason FROM {pipeline.name}.decisions WHERE _partition = ?", [partition])
        if rows:
            return Decision(*rows[0])
    raise OrderError(
        f"{pipeline.name} has no decision for {partition}.",
        remedy=f"Materialize {pipeline.name}/decision for {partition} first.",
    )


def _last_fired(ws: Workspace, pipeline: ModelPipeline, upto: list[str], ago: int | None) -> list[Read]:
    """The decision that the policy counts from."""
    return reading.own(ws, pipeline, "decision", [] if ago is None else [upto[-1 - ago]])


def _since_fired(ws: Workspace, pipeline: ModelPipeline, partition: str) -> int | None:
    """How many partitions ago the last decision before this one fired; None when none did."""
    if pipeline.partitions is None:
        return None
    made = ledger.latest(ws.lake, f"{pipeline.name}/decision")
    before = pipeline.partition_keys_upto(partition)[:-1]
    for ago, earlier in enumerate(reversed(before), start=1):
        decision = made.get((f"{pipeline.name}/decision", earlier))
        if decision is not None and decision.details["metadata"]["outcome"] == "fired":
            return ago
    return None
