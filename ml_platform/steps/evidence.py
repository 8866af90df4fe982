"""The evidence of a decision besides labels: drift, realised performance, and manual requests."""

import json
import math
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

from ml_platform.retraining.policy import Decision, Evidence, Kind, ManualRequest, Performance
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, versions
from ml_platform.state.results import DriftResult
from ml_platform.steps.performance import realised


def watched(ws: Workspace, pipeline: ModelPipeline, partition: str) -> list[Any]:
    """The monitoring results that the policy uses, as reads of the decision's key.

    Empty for a pipeline without partitions: there a champion is measured after the decision that trained it.
    """
    policy, watched_reads = pipeline.retrain, list[Any]()
    if pipeline.partitions is None:
        return watched_reads
    if policy.on_drift is not None:
        watched_reads += reading.own(ws, pipeline, "drift", [partition])
    if policy.on_performance is not None:
        watched_reads += [pipeline.headline, *reading.own(ws, pipeline, "predictions", [partition])]
    return watched_reads


def drift(ws: Workspace, pipeline: ModelPipeline, partition: str) -> DriftResult:
    """The partition's drift; without figures when it was not measured on enough rows."""
    if pipeline.partitions is None:
        return DriftResult()
    record = ledger.latest_of(ws.state, f"{pipeline.name}/drift", partition)
    measured = DriftResult() if record is None else record.result_as(DriftResult)
    few = measured.rows is not None and measured.rows < pipeline.drift.min_rows
    return DriftResult(measured.champion) if few else measured


def performance(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Performance | None:
    """The champion's headline metric on the partition and on its holdout; None when either is missing.

    Only labels known by the end of the partition count, as for all evidence. Later labels change the performance
    table but no decision (S6).
    """
    metric, end = pipeline.headline, window_of(pipeline, partition)[1]
    if end is None or not ws.lake.columns(pipeline.name, "predictions"):
        return None
    champion_metric = realised(ws, pipeline, partition, metric, end)
    if champion_metric is None:
        return None
    number, value = champion_metric
    holdout = _number(versions.version(ws.state, pipeline.name, number).metrics["holdout"].get(metric))
    if math.isnan(value) or holdout is None:
        return None
    return Performance(metric, value, holdout, higher_is_better(metric))


def manual(ws: Workspace, pipeline: ModelPipeline, partition: str) -> ManualRequest | None:
    """The manual request for a training after this partition. It stays valid when the partition is decided again."""
    entry = decisions.newest_manual(ws.state, pipeline.name).get(partition)
    return None if entry is None else from_json(entry.evidence).manual


def decision_of(entry: decisions.DecisionRecord) -> Decision:
    """A stored decision in the form that the policy returns."""
    return Decision(cast(Kind, entry.outcome), entry.reason)  # the database lets nothing else in


def to_json(evidence: Evidence, counts: dict[str, Any]) -> str:
    """Evidence in its stored form, with counts that no policy uses."""
    moments = {name: moment.isoformat() for name in ("ends", "trained") if (moment := getattr(evidence, name))}
    return json.dumps({**counts, **asdict(evidence), **moments})


def from_json(text: str) -> Evidence:
    """The evidence of a stored decision, from which a policy can decide again."""
    stored = json.loads(text)
    return Evidence(
        since_triggered=stored["since_triggered"],
        labelled=stored["labelled"],
        lacking=stored["lacking"],
        drift=stored["drift"],
        performance=Performance(**stored["performance"]) if stored["performance"] else None,
        manual=ManualRequest(**stored["manual"]) if stored["manual"] else None,
        ends=_moment(stored.get("ends")),
        trained=_moment(stored.get("trained")),
        moved=stored.get("moved", {}),
        partitioned=stored.get("partitioned", True),  # nobody noted it before
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
