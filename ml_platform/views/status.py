"""Rows for `status`, `models` and the end of a run."""

from collections.abc import Mapping, Set
from datetime import datetime
from itertools import pairwise
from typing import Any

from ml_platform.lake.data_files import may_hold_rows
from ml_platform.lake.pruning import asked_of
from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions, verdicts, versions
from ml_platform.state.results import ChampionResult, ValidatedResult, VerdictsResult
from ml_platform.state.stores import Stores
from ml_platform.views.undeclared import Undeclared

SHOWN = 36  # partitions that people see: three years of months, a day and a half of hours
_FEW = 100  # partitions that are named in a question; more are read with all others


def months(ws: Workspace, pipeline: ModelPipeline, newest: int | None = None) -> list[dict[str, Any]]:
    """Per partition that ran, or for the `newest` so many of them: rows, quarantined rows, realised metric, gates,
    outcome, reasons and champion.

    `outcome` is what became of the candidate: promoted (also by a person since), kept, blocked or waiting; skipped
    where none was trained. `reasons` says why it was kept, is blocked by data or waits, one phrase each.

    `realised` is the champion's metric on the following partition, named by `metric`; None until labels are known.
    Without partitions it is the metric of everything that the champion scored.
    """
    with ws.reading():
        return _months(ws, pipeline, newest)


def ran(ws: Workspace, pipeline: ModelPipeline) -> list[str]:
    """The partitions that `months` has a row for, in order."""
    made = ledger.partitions(ws.state, f"{pipeline.name}/features")
    return [partition for partition in pipeline.partition_keys() if partition in made]


def status_rows(ws: Workspace, pipeline: ModelPipeline, newest: int | None = None) -> list[dict[str, Any]]:
    """The rows of `months`, and one for the partition that the pipeline waits for.

    `outcome` is "waits" there, or "refused" where a file was refused. `waits_for` says what is missing, a sentence
    each, and `waiting_since` since when.
    """
    from ml_platform.monitoring.waiting import waiting  # screening and its libraries, which `models` does without

    with ws.reading():
        rows = [{**row, "waits_for": [], "waiting_since": None} for row in _months(ws, pipeline, newest)]
        waits = waiting(ws, pipeline, ws.slices)
        if waits is None or any(row["partition"] == waits.partition for row in rows):
            return rows
        waiting_row = {
            "partition": waits.partition,
            "rows": None,
            "quarantined": None,
            "metric": pipeline.headline,
            "realised": None,
            "gates": None,
            "outcome": "refused" if waits.refused else "waits",
            "reasons": [],
            "champion": None,
            "waits_for": [*waits.needs, *(f"Refused: {one}" for one in waits.refused)],
            "waiting_since": waits.since,
        }
        return [*rows, waiting_row]


def _months(ws: Workspace, pipeline: ModelPipeline, newest: int | None) -> list[dict[str, Any]]:
    name, metric, keys = pipeline.name, pipeline.headline, pipeline.partition_keys()
    shown = ran(ws, pipeline)
    shown = shown if newest is None else shown[-newest:]
    following = dict(pairwise(keys)) if pipeline.partitions else dict.fromkeys(shown, WHOLE)
    realised = _realised(ws, name, metric, [following[partition] for partition in shown if partition in following])
    promoted = {entry.version for entry in promotions.changed(ws.state, name) if entry.action == "promoted"}
    rows = []
    for partition in shown:
        verdict = ledger.latest_of(ws.state, f"{name}/verdicts", partition)
        judged_by_gates = verdict.result_as(VerdictsResult) if verdict else VerdictsResult()
        champion = ledger.latest_of(ws.state, f"{name}/champion", partition)
        outcome = champion.result_as(ChampionResult) if champion else None
        own = f"validated/{pipeline.examples.table}"
        examples = ledger.latest_of(ws.state, own, partition) or ledger.latest_of(ws.state, own, WHOLE)
        rejected = [ledger.latest_of(ws.state, f"validated/{table.name}", partition) for table in pipeline.tables]
        measured_in = following.get(partition)
        choice = decisions.current_of(ws.state, name, partition)
        rows.append(
            {
                "partition": partition,
                "rows": examples.rows if examples else None,
                "quarantined": sum(one.result_as(ValidatedResult).quarantined for one in rejected if one is not None),
                "metric": metric,
                "realised": realised.get(measured_in) if measured_in else None,
                "gates": f"{judged_by_gates.passed} of {judged_by_gates.gates}" if judged_by_gates.candidate else None,
                "outcome": _outcome(outcome, choice, promoted),
                "reasons": list(outcome.reasons) if outcome and outcome.candidate not in {None, *promoted} else [],
                "champion": _champion(ws, name, window_of(pipeline, partition)[1]),
            }
        )
    return rows


def _outcome(
    outcome: ChampionResult | None, choice: decisions.DecisionRecord | None, promoted: Set[int | None]
) -> str | None:
    """What became of a partition's candidate, also at the hands of a person since."""
    if outcome is None:
        return "skipped" if choice and not choice.trains else None
    return "promoted" if outcome.candidate is not None and outcome.candidate in promoted else outcome.outcome


def _champion(ws: Workspace, name: str, end: datetime | None) -> str | None:
    """The version that serves from the end of a partition, by the promotion log: a rollback counts."""
    serving = promotions.champion_at(ws.state, name, end)
    return f"{name}@{serving}" if serving else None


def _realised(ws: Workspace, name: str, metric: str, partitions: list[str]) -> dict[str, float]:
    if not partitions or not may_hold_rows(ws.lake, name, "performance"):
        return {}
    # DuckLake reads its statistics of all files once for each column in a WHERE: 0.1 s each at 10,000 partitions.
    wanted = "sliced_by = '' AND role = 'champion' AND metric = ?"
    query = f"SELECT _partition, arg_max(value, version) FILTER (WHERE {wanted}) FROM {{rows}} GROUP BY _partition"
    if len(partitions) <= _FEW:
        return dict(asked_of(ws.lake, name, "performance", partitions, query, [metric]))
    return dict(ws.lake.rows(query.format(rows=f"{quoted(name)}.performance"), [metric]))


def version_rows(ws: Workspace, pipeline: ModelPipeline | Undeclared) -> list[dict[str, Any]]:
    """Every version, newest first, with its headline metric, gates and whether it serves."""
    champion = promotions.champion_at(ws.state, pipeline.name)
    metric = pipeline.headline
    by_number = sorted(promotions.changed(ws.state, pipeline.name), key=lambda entry: entry.seq)
    served = {entry.version: entry for entry in by_number}
    rows = []
    for version in reversed(versions.versions(ws.state, pipeline.name)):
        count = verdicts.gate_count(verdicts.of(ws.state, pipeline.name, version.version))
        rows.append(
            {
                "version": version.name,
                "serves": version.version == champion,
                "partition": version.partition,
                "metric": metric,
                "holdout": version.metrics["holdout"].get(metric),
                "gates_passed": count.passed,
                "gates": count.gates,
                "promoted": served[version.version].effective_at if version.version in served else None,
                "training_set": version.training_set,
                "bundle": version.bundle,
                "seconds": version.durations.get("total"),
            }
        )
    return rows


def version_facts(ws: Workspace, pipeline: ModelPipeline | Undeclared, number: int) -> dict[str, Any]:
    """All recorded facts about a version, with every verdict. Raises NotFoundError when it does not exist."""
    version = versions.version(ws.state, pipeline.name, number)
    return {
        "version": version.name,
        "serves": promotions.champion_at(ws.state, pipeline.name) == number,
        **{
            name: getattr(version, name)
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
                "passed": v.outcome,
                "severity": v.severity,
                "measurement": v.measurement,
                "rows": v.rows,
                "detail": v.detail,
            }
            for v in verdicts.of(ws.state, pipeline.name, number)
        ],
    }


def promotion_rows(stores: Stores, pipeline: str) -> list[dict[str, Any]]:
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
        "overrides",
        "recorded_at",
        "run_id",
    )
    log = promotions.history(stores.state, pipeline)
    return [{name: getattr(entry, name) for name in shown} for entry in reversed(log)]


def candidate_of(stores: Stores, pipeline: str, entry: Mapping[str, Any]) -> int | None:
    """The version that an entry of the promotion log is about.

    That is the one that came to serve; of an entry "kept" the newest candidate that its partition had by then, or None.
    """
    if entry["action"] != "kept":
        return int(entry["version"])
    then = [
        version.version
        for version in versions.versions(stores.state, pipeline)
        if version.partition == entry["partition"] and version.created_at <= entry["recorded_at"]
    ]
    return max(then, default=None)
