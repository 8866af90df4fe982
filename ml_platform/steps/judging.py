"""The last two training steps: the verdicts of the gates, and the champion."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.errors import BlobError, OrderError, PromotionRefused
from ml_platform.evaluation import gates
from ml_platform.evaluation.candidate import Candidate, Champion, Compared
from ml_platform.evaluation.stored import stored_candidate, stored_champion
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.parity import parity
from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models import bundle as bundles
from ml_platform.naming import quoted
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.display import written
from ml_platform.runtime.workspace import Outcome, Workspace, recorded_alone, window_of
from ml_platform.spec.gate_wording import gate_key, in_words, short_name
from ml_platform.spec.gates import Gate
from ml_platform.spec.gates import Reproduction as ReproductionGate
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.verdicts import Verdict
from ml_platform.state.versions import Version
from ml_platform.steps import deciding, features
from ml_platform.steps import evidence as evidences
from ml_platform.steps.proofs import Background, Replayed
from ml_platform.steps.training import HELD_BACK, stored_training_set, version_of
from ml_platform.training.reproduction import reproduce
from ml_platform.views.performance_plots import judged
from ml_platform.views.version_card import card_of

CODE_VERSION = 1  # of how candidates are judged and promoted; part of the content keys (S31)


def incumbent(ws: Workspace, pipeline: ModelPipeline, partition: str, version: int | None) -> int | None:
    """The champion that a candidate of this partition has to beat: the last one before its end.

    Where a person has a settled training replaced, and in a pipeline without partitions, which has one moment
    only: the champion before `version` became it, unless another version was promoted there since.
    """
    end = window_of(pipeline, partition)[1]
    request = evidences.forced(ws, pipeline, partition)
    if end is not None and not (request and request.replaces):
        return promotions.champion_at(ws.lake, pipeline.name, end - timedelta(microseconds=1))
    for entry in reversed(promotions.history(ws.lake, pipeline.name)):
        if entry.version == version and entry.action == "promoted":
            return entry.previous
        if entry.partition == partition and entry.action == "promoted":
            break
    return promotions.champion_at(ws.lake, pipeline.name, end)


def verdicts_key(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
    """From the version, the gates and the champion it is compared with."""
    version = version_of(ws, pipeline, partition)
    reads = reading.own(ws, pipeline, "candidate", [partition])
    if version is None:
        return recipe("verdicts", HELD_BACK, by_content=reads)
    before = incumbent(ws, pipeline, partition, version.version)
    reads += _version_read(ws, pipeline, before)
    return recipe("verdicts", CODE_VERSION, version.content_key, list(pipeline.all_gates), before, by_content=reads)


def make_verdicts(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Judge the candidate by every gate; what was measured before is not measured again (S23)."""
    version = version_of(ws, pipeline, partition)
    if version is None:
        reason = deciding.of(ws, pipeline, partition).reason
        told: dict[str, Any] = {"outcome": HELD_BACK, "reason": reason}
        checks = tuple(
            _check(gate, in_words(gate), None, "Held back: no candidate to judge.") for gate in pipeline.all_gates
        )
        return recorded_alone(ws, author, Outcome(0, HELD_BACK, metadata=told, checks=checks))
    candidate = _candidate(ws, pipeline, partition, version)
    # Training again goes on in another process; what people look at is drawn before it is waited for.
    quick = [gate for gate in pipeline.all_gates if gates.turn(gate) == 0]
    gates.evaluate(ws.lake, author, quick, candidate)
    pictures = judged(ws, pipeline.task, candidate.holdout, f"the holdout of @{version.version}")
    found = gates.evaluate(ws.lake, author, pipeline.all_gates, candidate)
    own = {v.gate_key: v for v in found if v.slice == ""}
    passed = sum(v.passed is not False for v in own.values())
    checks = tuple(
        _check(gate, in_words(gate), own[gate_key(gate)], own[gate_key(gate)].detail) for gate in pipeline.all_gates
    )
    told = {
        "version": version.name,
        "passed": passed,
        "gates": len(own),
        "verdicts": [
            {
                "gate": v.gate,
                "slice": v.slice,
                "value": v.value,
                "threshold": v.threshold,
                "low": v.low,
                "high": v.high,
                "passed": _word(v.passed),
                "detail": v.detail,
            }
            for v in found
        ],
        **pictures,
        "model card": _card(ws, pipeline, version.version),
    }
    return recorded_alone(ws, author, Outcome(len(found), metadata=told, checks=checks))


def champion_key(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
    """From the version, its verdicts and the champion before. Raises OrderError while the one before is undecided."""
    _refuse_out_of_order(ws, pipeline, partition)
    version = version_of(ws, pipeline, partition)
    reads = [r for step in ("candidate", "verdicts") for r in reading.own(ws, pipeline, step, [partition])]
    if version is None:
        return recipe("champion", HELD_BACK, partition, by_content=reads)
    keys = {gate_key(gate) for gate in pipeline.all_gates}
    evidence = sorted(
        (v.gate_key, v.slice, str(v.passed))
        for v in verdicts.of(ws.lake, pipeline.name, version.version)
        if v.gate_key in keys
    )
    before = incumbent(ws, pipeline, partition, version.version)
    reads += _version_read(ws, pipeline, before)
    return recipe("champion", CODE_VERSION, version.content_key, evidence, sorted(keys), before, by_content=reads)


def make_champion(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Promote the candidate if every verdict allows it; otherwise keep the champion, and say why."""
    version = version_of(ws, pipeline, partition)
    end = window_of(pipeline, partition)[1]
    moment = end or (version.decided_at if version else None)
    if version is None:
        why = deciding.of(ws, pipeline, partition).reason
        if moment is not None:  # on record, so that a rollback after it leaves its predictions alone
            promotions.keep(
                ws.lake,
                author,
                pipeline.name,
                partition=partition,
                effective_at=moment,
                reason=f"{HELD_BACK}: {why}",
                actor="platform",
            )
        told = {"outcome": HELD_BACK, "reason": why}
        return recorded_alone(ws, author, _with_champion(ws, pipeline, moment, Outcome(1, HELD_BACK, metadata=told)))
    assert moment is not None  # every version knows when it was decided
    try:
        promotions.promote(
            ws.lake,
            author,
            pipeline.name,
            version.version,
            pipeline.all_gates,
            partition=partition,
            effective_at=moment,
            reason="every gate passed",
            actor="platform",
        )
        told = {"outcome": "promoted", "candidate": version.name}
    except PromotionRefused as refusal:
        reason = "; ".join(refusal.reasons)
        promotions.keep(
            ws.lake, author, pipeline.name, partition=partition, effective_at=moment, reason=reason, actor="platform"
        )
        told = {"outcome": "kept", "candidate": version.name, "reason": reason}
    return recorded_alone(ws, author, _with_champion(ws, pipeline, moment, Outcome(1, metadata=told)))


def _version_read(ws: Workspace, pipeline: ModelPipeline, number: int | None) -> list[Read]:
    return [] if number is None else [reading.version(versions.version(ws.lake, pipeline.name, number))]


def _with_champion(ws: Workspace, pipeline: ModelPipeline, moment: datetime | None, outcome: Outcome) -> Outcome:
    serving = promotions.champion_at(ws.lake, pipeline.name, moment)
    outcome.metadata["champion"] = f"{pipeline.name}@{serving}" if serving else "none"
    if serving:
        version = versions.version(ws.lake, pipeline.name, serving)
        told = {"trained after": version.partition, "trained in run": {"run": version.run_id}}
        told |= {"bundle": {"blob": version.bundle}, "model card": _card(ws, pipeline, serving)}
        outcome.metadata.update(told)
    return outcome


def _card(ws: Workspace, pipeline: ModelPipeline, version: int) -> dict[str, str] | str:
    """The model card, stored; a sentence where its bundle cannot be read: a decision does not fail for that."""
    try:
        return written(ws, card_of(ws, pipeline, version))
    except BlobError as error:
        return str(error)


def _refuse_out_of_order(ws: Workspace, pipeline: ModelPipeline, partition: str) -> None:
    """S33: a partition is decided only when the one before it is."""
    before = pipeline.partition_keys_upto(partition)[:-1]
    if not before:
        return
    if not reading.own(ws, pipeline, "champion", before[-1:]) and not deciding.held_back(ws, pipeline, before[-1]):
        raise OrderError(
            f"{pipeline.name}/champion for {partition} follows {before[-1]}, which is undecided.",
            remedy=f"Materialize {pipeline.name} for {before[-1]} first.",
        )


def _candidate(ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version) -> Candidate:
    again = Background(lambda: reproduce(ws.blobs, version.training_set, version.bundle))
    unmeasured = gates.waiting(ws.lake, pipeline.all_gates, pipeline.name, version.version)
    if any(isinstance(gate, ReproductionGate) for gate in unmeasured):
        again.start()  # another process's work, which goes on while this one loads and replays
    stored = stored_training_set(ws, pipeline, partition)
    assert stored is not None  # a version was trained on one
    threads = ws.settings.threads
    candidate = stored_candidate(ws.blobs, pipeline, stored, version.bundle, version.version, threads=threads)
    holdout = candidate.holdout.frame

    def replay(examples: int) -> Compared:
        definition = FeatureDefinition.of(pipeline)
        tables = {name: f"validated.{quoted(name)}" for name in definition.tables}
        chosen = holdout.gather_every(max(1, holdout.height // examples)).head(examples)
        rows = chosen.select(list(definition.row_schema))
        return Replayed(parity(ws.lake.connection, definition, rows, tables, chosen))

    champion = _champion(ws, pipeline, partition, version, holdout)
    return replace(candidate, champion=champion, parity=replay, reproduce=again.result)


def _champion(
    ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version, holdout: pl.DataFrame
) -> Champion | None:
    """The version to beat, with the candidate's holdout under its own features where these are others."""
    number = incumbent(ws, pipeline, partition, version.version)
    if number is None or number == version.version:
        return None
    champion = versions.version(ws.lake, pipeline.name, number)
    definition = FeatureDefinition.from_json(bundles.load(ws.blobs, champion.bundle).definition)
    theirs = None
    if definition.key != FeatureDefinition.of(pipeline).key:
        on = definition.identity
        start: Any = holdout[definition.at].min() if definition.at else None
        with features.computed(ws, definition, start, version.decided_at if definition.at else None) as table:
            rows = ws.lake.frame(f"FROM {table}")
        theirs = holdout.select(on).join(rows, on=on, how="left", maintain_order="left")
    return stored_champion(ws.blobs, champion, holdout=theirs, threads=ws.settings.threads)


def _word(passed: bool | None) -> str:
    return {True: "passed", False: "failed", None: "not judged"}[passed]


def _check(gate: Gate, words: str, verdict: Verdict | None, detail: str) -> CheckResult:
    passed = verdict is None or verdict.passed is not False
    told: dict[str, Any] = {"gate": words}
    if verdict is not None:
        told |= {"low": verdict.low, "high": verdict.high, "rows": verdict.rows, "verdict": _word(verdict.passed)}
    return CheckResult(
        name=short_name(gate),
        passed=passed,
        severity="error",
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        description=detail,
        metadata={name: item for name, item in told.items() if item is not None},
    )
