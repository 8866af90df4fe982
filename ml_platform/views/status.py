"""What happened, in rows: for `status`, `models`, the end of a run."""

from datetime import datetime
from typing import Any

from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.gate_wording import gate_key
from ml_platform.spec.gates import METRICS
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, promotions, verdicts, versions

_HEADLINE = {"binary": "roc_auc", "multiclass": "macro_f1", "regression": "rmse"}


def headline(pipeline: ModelPipeline) -> str:
    """The metric that stands for the pipeline: its first gate's, else the usual one of its task."""
    metrics = (getattr(gate, "metric", None) for gate in pipeline.gates)
    return next((metric for metric in metrics if metric in METRICS), _HEADLINE[pipeline.task])


def months(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Per partition that was run: rows, quarantined, the realised metric of the version decided in it, gates, champion.

    `realised` is what the champion of the end of the partition was worth on the next one, in `metric`;
    None until labels are known. For a pipeline without partitions it is on what the champion scored.
    """
    name, metric = pipeline.name, headline(pipeline)
    made = ledger.latest(ws.lake)
    table = pipeline.examples.table
    partitions = [p for p in pipeline.partition_keys() if (f"{name}/features", p) in made]
    realised, log = _realised(ws, name, metric), promotions.history(ws.lake, name)
    rows = []
    for partition in partitions:
        later = [p for p in pipeline.partition_keys() if p > partition][:1]
        judged = made.get((f"{name}/verdicts", partition))
        champion = made.get((f"{name}/champion", partition))
        told = judged.details["metadata"] if judged else {}
        decided = champion.details["metadata"] if champion else {}
        validated = made.get((f"validated/{table}", partition)) or made.get((f"validated/{table}", "all"))
        rows.append(
            {
                "partition": partition,
                "rows": validated.rows if validated else None,
                "quarantined": sum(
                    m.details.get("quarantined", 0)
                    for (asset, p), m in made.items()
                    if asset in {f"validated/{t.name}" for t in pipeline.tables} and p == partition
                ),
                "metric": metric,
                "realised": realised.get(later[0] if later else partition)
                if later or not pipeline.partitions
                else None,
                "gates": f"{told['passed']} of {told['gates']}" if "gates" in told else None,
                "decision": decided.get("outcome") or _held_back(made.get((f"{name}/decision", partition))),
                "champion": _champion(name, log, window_of(pipeline, partition)[1], decided),
            }
        )
    return rows


def _held_back(decision: ledger.Materialization | None) -> str | None:
    """The decision of a partition after which nothing was trained; None while a training is to come."""
    outcome = decision.details["metadata"]["outcome"] if decision else None
    return outcome if outcome == "held back" else None


def _champion(name: str, log: list[promotions.Promotion], end: datetime | None, decided: dict[str, Any]) -> str | None:
    """The version that serves from the end of a partition, as it was decided; else by the log."""
    if decided:
        return None if decided["champion"] == "none" else str(decided["champion"])
    serving = promotions.serving_at(log, end)
    return f"{name}@{serving}" if serving else None


def _realised(ws: Workspace, name: str, metric: str) -> dict[str, float]:
    if not ws.lake.columns(name, "performance"):
        return {}
    return dict(
        ws.lake.rows(
            f"SELECT _partition, arg_max(value, version) FROM {quoted(name)}.performance "
            "WHERE sliced_by = '' AND role = 'champion' AND metric = ? GROUP BY _partition",
            [metric],
        )
    )


def version_rows(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Every version, newest first, with its headline metric, gates and whether it serves."""
    champion = promotions.champion_at(ws.lake, pipeline.name)
    metric = headline(pipeline)
    keys = [gate_key(gate) for gate in pipeline.all_gates]
    served = {entry.version: entry for entry in promotions.history(ws.lake, pipeline.name) if entry.action != "kept"}
    rows = []
    for version in reversed(versions.versions(ws.lake, pipeline.name)):
        found = {v.gate_key: v.passed for v in verdicts.of(ws.lake, pipeline.name, version.version) if v.slice == ""}
        rows.append(
            {
                "version": version.name,
                "serves": version.version == champion,
                "partition": version.partition,
                "metric": metric,
                "holdout": version.metrics["holdout"].get(metric),
                "gates_passed": sum(found.get(key) is not False and key in found for key in keys),
                "gates": len(keys),
                "promoted": served[version.version].effective_at if version.version in served else None,
                "training_set": version.training_set,
                "bundle": version.bundle,
                "seconds": version.durations.get("total"),
            }
        )
    return rows


def version_facts(ws: Workspace, pipeline: ModelPipeline, number: int) -> dict[str, Any]:
    """All that is on record about a version, with every verdict. Raises NotFoundError when it does not exist."""
    found = versions.version(ws.lake, pipeline.name, number)
    return {
        "version": found.name,
        "serves": promotions.champion_at(ws.lake, pipeline.name) == number,
        **{
            name: getattr(found, name)
            for name in (
                "partition",
                "decided_at",
                "created_at",
                "training_set",
                "bundle",
                "bounds",
                "parameters",
                "metrics",
                "environment",
                "code_version",
                "durations",
                "run_id",
                "content_key",
            )
        },
        "verdicts": [
            {
                "gate": v.gate,
                "slice": v.slice or None,
                "value": v.value,
                "threshold": v.threshold,
                "low": v.low,
                "high": v.high,
                "passed": {True: "passed", False: "failed", None: "not judged"}[v.passed],
                "rows": v.rows,
                "detail": v.detail,
            }
            for v in verdicts.of(ws.lake, pipeline.name, number)
        ],
    }


def promotion_rows(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """The promotion log, newest first."""
    shown = (
        "seq",
        "pipeline",
        "action",
        "version",
        "previous",
        "partition",
        "effective_at",
        "actor",
        "reason",
        "recorded_at",
        "run_id",
    )
    log = promotions.history(ws.lake, pipeline.name)
    return [{name: getattr(entry, name) for name in shown} for entry in reversed(log)]
