"""The verdicts step: every gate judges the candidate. Stored measurements are not repeated (S23)."""

from typing import Any, Literal

from ml_platform.evaluation.gates.evaluator import Turn
from ml_platform.evaluation.gates.measuring import evaluate, waiting
from ml_platform.evaluation.gates.registry import evidence_for, turn_of
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Workspace, record
from ml_platform.spec.gates import Gate
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import verdicts
from ml_platform.state.results import VerdictsResult
from ml_platform.state.verdicts import Verdict
from ml_platform.steps.candidate import version_of
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.incumbent import card, incumbent, version_read
from ml_platform.steps.judged_candidate import candidate_of
from ml_platform.steps.training_set import SKIPPED_KEY
from ml_platform.views.performance_plots import judged

CODE_VERSION = 1  # of how candidates are judged; part of the content key (S31)


class VerdictsStep(Step):
    """The verdict of every gate on the candidate."""

    name = "verdicts"
    job = "train"
    result = VerdictsResult
    kinds = ("duckdb",)
    summary = "The verdict of every gate on the candidate. The checks show the same rows."
    explanation = (
        "Each gate is measured on the holdout once and stored. Promotion reads the stored rows, not the checks. The "
        "model card describes the version on one page."
    )
    changes_with = "the candidate, a gate, or the champion it is compared with"
    advice = (
        "a failed gate keeps the current champion and stops nothing else. Its description says by how much it failed."
    )
    alerts = "gate"

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "candidate")

    def checks(self, pipeline: ModelPipeline) -> tuple[tuple[str, str], ...]:
        return tuple((gate.short_name, f"The gate requires: {gate.phrase}. {gate.why}") for gate in pipeline.all_gates)

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the version, the gates, the champion it is compared with, and measurements that are still to come."""
        version = version_of(ws, pipeline, partition)
        reads = reading.own(ws, pipeline, "candidate", [partition])
        if version is None:
            return recipe("verdicts", SKIPPED_KEY, by_content=reads)
        before = incumbent(ws, pipeline, partition, version.version)
        reads += version_read(ws, pipeline, before)
        about: list[Any] = [version.content_key, list(pipeline.all_gates), before]
        warning = sorted(gate.key for gate in pipeline.all_gates if gate.severity == "warn")
        declared = {gate.key for gate in pipeline.all_gates}
        stored = [v for v in verdicts.of(ws.state, pipeline.name, version.version) if v.gate_key in declared]
        rounds = verdicts.rounds(stored)
        about += [part for part in (warning, rounds) if part]  # left out where there are none, as in older lakes
        return recipe("verdicts", CODE_VERSION, *about, by_content=reads)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Judge the candidate by every gate."""
        version = version_of(ws, pipeline, partition)
        if version is None:
            display: dict[str, Any] = {"outcome": "skipped", "reason": decision_of(ws, pipeline, partition).reason}
            checks = tuple(_check(gate, None, "Skipped: no candidate to judge.") for gate in pipeline.all_gates)
            return record(ws, author, Outcome(0, "skipped", result=VerdictsResult(), display=display, checks=checks))
        wanted = evidence_for(waiting(ws.state, pipeline.all_gates, pipeline.name, version.version))
        # Training again runs in another process. The plots are drawn before waiting for it.
        quick = [gate for gate in pipeline.all_gates if turn_of(gate) is Turn.EARLY]
        with candidate_of(ws, pipeline, partition, version, wanted) as candidate:
            evaluate(ws.state, author.run_id, quick, candidate)
            plots = judged(ws, pipeline.task, candidate.holdout, f"the holdout of @{version.version}")
            recorded = evaluate(ws.state, author.run_id, pipeline.all_gates, candidate)
        outcomes = {v.gate_key: v for v in recorded if v.slice == ""}
        count = verdicts.gate_count(recorded)
        checks = tuple(_check(gate, outcomes[gate.key], outcomes[gate.key].detail) for gate in pipeline.all_gates)
        shown = ("gate", "slice", "value", "threshold", "low", "high", "detail")
        display = {
            "version": version.name,
            "passed": count.passed,
            "gates": count.gates,
            "verdicts": [{**{name: getattr(v, name) for name in shown}, "passed": v.outcome} for v in recorded],
            **plots,
            "model card": card(ws, pipeline, version.version),
        }
        result = VerdictsResult(version.version, count.passed, count.gates)
        return record(ws, author, Outcome(len(recorded), result=result, display=display, checks=checks))


def _check(gate: Gate, verdict: Verdict | None, detail: str) -> CheckResult:
    passed = verdict is None or not (verdict.passed is False or verdict.waits)
    severity: Literal["error", "warn"] = "warn" if gate.severity == "warn" or (verdict and verdict.waits) else "error"
    metadata: dict[str, Any] = {"gate": gate.phrase}
    if verdict is not None:
        metadata |= {"low": verdict.low, "high": verdict.high, "rows": verdict.rows, "verdict": verdict.outcome}
    return CheckResult(
        name=gate.short_name,
        passed=passed,
        severity=severity,
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        description=detail,
        metadata={name: item for name, item in metadata.items() if item is not None},
    )
