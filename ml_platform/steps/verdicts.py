"""The verdicts step: every gate judges the candidate. Stored measurements are not repeated (S23)."""

from dataclasses import replace
from typing import Any

import polars as pl

from ml_platform.evaluation.candidate import Candidate, Champion, Compared, Evidence
from ml_platform.evaluation.gates.evaluator import Turn
from ml_platform.evaluation.gates.measuring import evaluate, waiting
from ml_platform.evaluation.gates.registry import evidence_for, turn_of
from ml_platform.evaluation.stored import stored_candidate, stored_champion
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.parity import parity
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models import bundle as bundles
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Workspace, record
from ml_platform.spec.gates import Gate
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.state.results import VerdictsResult
from ml_platform.state.verdicts import Verdict, gate_count
from ml_platform.state.versions import Version
from ml_platform.steps import features
from ml_platform.steps.candidate import version_of
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.incumbent import card, incumbent, version_read
from ml_platform.steps.proofs import Background, Replayed
from ml_platform.steps.provenance import column_origins
from ml_platform.steps.training_set import SKIPPED_KEY, stored_training_set
from ml_platform.training.reproduction import reproduce
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
        """From the version, the gates and the champion it is compared with."""
        version = version_of(ws, pipeline, partition)
        reads = reading.own(ws, pipeline, "candidate", [partition])
        if version is None:
            return recipe("verdicts", SKIPPED_KEY, by_content=reads)
        before = incumbent(ws, pipeline, partition, version.version)
        reads += version_read(ws, pipeline, before)
        return recipe("verdicts", CODE_VERSION, version.content_key, list(pipeline.all_gates), before, by_content=reads)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Judge the candidate by every gate."""
        version = version_of(ws, pipeline, partition)
        if version is None:
            display: dict[str, Any] = {"outcome": "skipped", "reason": decision_of(ws, pipeline, partition).reason}
            checks = tuple(_check(gate, None, "Skipped: no candidate to judge.") for gate in pipeline.all_gates)
            return record(ws, author, Outcome(0, "skipped", result=VerdictsResult(), display=display, checks=checks))
        candidate = _candidate(ws, pipeline, partition, version)
        # Training again runs in another process. The plots are drawn before waiting for it.
        quick = [gate for gate in pipeline.all_gates if turn_of(gate) is Turn.EARLY]
        evaluate(ws.state, author.run_id, quick, candidate)
        plots = judged(ws, pipeline.task, candidate.holdout, f"the holdout of @{version.version}")
        verdicts = evaluate(ws.state, author.run_id, pipeline.all_gates, candidate)
        outcomes = {v.gate_key: v for v in verdicts if v.slice == ""}
        count = gate_count(verdicts)
        checks = tuple(_check(gate, outcomes[gate.key], outcomes[gate.key].detail) for gate in pipeline.all_gates)
        shown = ("gate", "slice", "value", "threshold", "low", "high", "detail")
        display = {
            "version": version.name,
            "passed": count.passed,
            "gates": count.gates,
            "verdicts": [{**{name: getattr(v, name) for name in shown}, "passed": v.outcome} for v in verdicts],
            **plots,
            "model card": card(ws, pipeline, version.version),
        }
        result = VerdictsResult(version.version, count.passed, count.gates)
        return record(ws, author, Outcome(len(verdicts), result=result, display=display, checks=checks))


def _candidate(ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version) -> Candidate:
    again = Background(lambda: reproduce(ws.blobs, version.training_set, version.bundle))
    wanted = evidence_for(waiting(ws.state, pipeline.all_gates, pipeline.name, version.version))
    if Evidence.REPRODUCTION in wanted:
        again.start()  # another process's work, which goes on while this one loads and replays
    stored = stored_training_set(ws, pipeline, partition)
    assert stored is not None  # a version was trained on one
    candidate = stored_candidate(
        ws.blobs, pipeline, stored, version.bundle, version.version, wanted=wanted, threads=ws.settings.threads
    )
    holdout = candidate.holdout.frame

    def replay(examples: int) -> Compared:
        definition = FeatureDefinition.of(pipeline)
        tables = features.relations(ws, definition)
        chosen = holdout.gather_every(max(1, holdout.height // examples)).head(examples)
        rows = chosen.select(list(definition.row_schema))
        return Replayed(parity(ws.lake.connection, definition, rows, tables, chosen))

    champion = _champion(ws, pipeline, partition, version, holdout) if Evidence.CHAMPION in wanted else None
    return replace(
        candidate,
        champion=champion,
        parity=replay,
        provenance=lambda: column_origins(ws, pipeline, partition),
        reproduce=again.result,
    )


def _champion(
    ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version, holdout: pl.DataFrame
) -> Champion | None:
    """The champion to beat. If its features differ, the candidate's holdout is computed with them."""
    number = incumbent(ws, pipeline, partition, version.version)
    if number is None or number == version.version:
        return None
    champion = versions.version(ws.state, pipeline.name, number)
    definition = FeatureDefinition.from_json(bundles.load(ws.blobs, champion.bundle).definition)
    theirs = None
    if definition.key != FeatureDefinition.of(pipeline).key:
        on = definition.identity
        start: Any = holdout[definition.at].min() if definition.at else None
        with features.computed(ws, definition, start, version.decided_at if definition.at else None) as table:
            rows = ws.lake.frame(f"FROM {table}")
        theirs = holdout.select(on).join(rows, on=on, how="left", maintain_order="left")
    return stored_champion(ws.blobs, champion, holdout=theirs, threads=ws.settings.threads)


def _check(gate: Gate, verdict: Verdict | None, detail: str) -> CheckResult:
    passed = verdict is None or verdict.passed is not False
    metadata: dict[str, Any] = {"gate": gate.phrase}
    if verdict is not None:
        metadata |= {"low": verdict.low, "high": verdict.high, "rows": verdict.rows, "verdict": verdict.outcome}
    return CheckResult(
        name=gate.short_name,
        passed=passed,
        severity="error",
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        description=detail,
        metadata={name: item for name, item in metadata.items() if item is not None},
    )
