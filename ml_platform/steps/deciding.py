"""The decision step: whether to train after this partition, on record either way (S20, S21).

The table is a history: each decision adds a row, none is changed or removed (S6). The newest row of
a partition is the one that counts.
"""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.errors import OrderError, RetrainRefused
from ml_platform.lake import data_files
from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.retraining.policy import Decision, Evidence, Forced, decide, quiet
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Outcome, Workspace, already_made, record, stamp, window_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, promotions
from ml_platform.steps import evidence as evidences
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
    """Decide by the declared policy and record evidence, outcome and reason.

    While only a calendar could ask for a training and does not, nothing is looked at. What is held back is put
    into the promotion log too: a rollback after it leaves its predictions alone.
    """
    seen = _timing(ws, pipeline, partition, evidences.forced(ws, pipeline, partition))
    if quiet(pipeline.retrain, seen):
        return _take(ws, pipeline, author, seen, seen.ends, {})
    return _judged(ws, pipeline, author, seen, _readiness(ws, pipeline, partition))


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
    seen = _timing(ws, pipeline, partition, request)
    outcome = _judged(ws, pipeline, author, seen, ready, unless_fired=not request.replaces)
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


def held_back(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether it was decided that nothing is trained after the partition."""
    found = ws.lake.once(f"decisions of {pipeline.name}", lambda: _counting(ws, pipeline)).get(partition)
    return found is not None and not found.fired


def _counting(ws: Workspace, pipeline: ModelPipeline) -> dict[str, Decision]:
    """The decision that counts of every partition."""
    if not ws.lake.columns(pipeline.name, "decisions"):
        return {}
    rows = ws.lake.rows(
        f"SELECT _partition, outcome, reason FROM {quoted(pipeline.name)}.decisions "
        "QUALIFY row_number() OVER (PARTITION BY _partition ORDER BY recorded_at DESC, rowid DESC) = 1"
    )
    return {partition: Decision(outcome, reason) for partition, outcome, reason in rows}


def first_taken(ws: Workspace, pipeline: ModelPipeline) -> dict[str, datetime]:
    """When each partition was decided for the first time."""
    return ws.lake.once(f"first decisions of {pipeline.name}", lambda: _first_taken(ws, pipeline))


def _first_taken(ws: Workspace, pipeline: ModelPipeline) -> dict[str, datetime]:
    if not ws.lake.columns(pipeline.name, "decisions"):
        return {}
    return dict(ws.lake.rows(f"SELECT _partition, min(recorded_at) FROM {quoted(pipeline.name)}.decisions GROUP BY 1"))


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
    seen, upto = _timing(ws, pipeline, partition, request), pipeline.partition_keys_upto(partition)
    ago, end = seen.since_fired, seen.ends
    last = _last_fired(ws, pipeline, upto, ago)
    if quiet(pipeline.retrain, seen):
        return recipe("decision", CODE_VERSION, pipeline.retrain, "not due", partition, ago, by_content=last)
    reads = [
        *reading.own(ws, pipeline, "features", upto),
        *reading.labels(ws, pipeline, end),
        *evidences.watched(ws, pipeline, partition),
    ]
    declared = training_set.declaration(pipeline)
    return recipe("decision", CODE_VERSION, pipeline.retrain, declared, reads, ago, request, by_content=last)


def _readiness(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Readiness:
    end, upto = window_of(pipeline, partition)[1], pipeline.partition_keys_upto(partition)
    return training_set.readiness(ws.lake, ws.blobs, pipeline, decided_at=end, partitions_upto=upto)


def _timing(ws: Workspace, pipeline: ModelPipeline, partition: str, request: Forced | None) -> Evidence:
    """What the calendar looks at, and who asked."""
    ago, end = _since_fired(ws, pipeline, partition), window_of(pipeline, partition)[1]
    trained = None
    if ago is not None:
        trained = window_of(pipeline, pipeline.partition_keys_upto(partition)[-1 - ago])[1]
    return Evidence(ago, labelled=None, lacking="", forced=request, ends=end, trained=trained)


def _judged(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    timing: Evidence,
    ready: Readiness,
    *,
    unless_fired: bool = False,
) -> Outcome:
    """Decide on all the evidence there is."""
    performance = pipeline.retrain.on_performance is not None
    seen = replace(
        timing,
        labelled=ready.labelled,
        lacking=ready.lacking,
        drift=evidences.drift(ws, pipeline, author.partition),
        performance=evidences.performance(ws, pipeline, author.partition) if performance else None,
    )
    counts = {"immature": ready.immature, **ready.parts}
    return _take(ws, pipeline, author, seen, ready.decided_at, counts, unless_fired=unless_fired)


def _take(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    seen: Evidence,
    decided_at: datetime | None,
    counts: dict[str, int],
    *,
    unless_fired: bool = False,
) -> Outcome:
    """Add the decision to the history, unless a process that was faster did: then it is that one."""
    decision = decide(pipeline.retrain, seen)
    if not decision.fired and seen.ends is not None:
        reason = f"{decision.outcome}: {decision.reason}"
        promotions.keep(
            ws.lake,
            author,
            pipeline.name,
            partition=author.partition,
            effective_at=seen.ends,
            reason=reason,
            actor="platform",
        )
    with write(ws.lake, author) as tx:
        if made := already_made(ws, author, f"{pipeline.name}.decisions"):
            return made
        if unless_fired and of(ws, pipeline, author.partition).fired:
            return Outcome(0, "unchanged")
        row = {
            "pipeline": pipeline.name,
            "decided_at": decided_at,
            "outcome": decision.outcome,
            "reason": decision.reason,
            "policy": json.dumps(canonical(pipeline.retrain)),
            "evidence": evidences.to_json(seen, counts),
            "run_id": author.run_id,
            "recorded_at": stamp(),
        }
        tx.append(pipeline.name, "decisions", pl.DataFrame([row], schema=SCHEMA), partition=author.partition)
        data_files.made_again(ws.lake, pipeline.name, "decisions", author.partition)
        labelled = {} if seen.labelled is None else {"labelled": seen.labelled}
        told = {"outcome": decision.outcome, "reason": decision.reason, **labelled, **counts}
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
