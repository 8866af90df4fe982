"""The champion step: the candidate is promoted if every verdict allows it; otherwise the champion stays."""

from datetime import datetime
from functools import partial
from typing import Any

from ml_platform.errors import OrderError, PromotionRefused
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models.registry import trainer_of
from ml_platform.runtime import reading
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Status, Workspace, record, window_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, promotions, verdicts, versions
from ml_platform.state.results import ChampionOutcome, ChampionResult
from ml_platform.steps.candidate import version_of
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.incumbent import card, incumbent, version_read
from ml_platform.steps.training_set import SKIPPED_KEY

CODE_VERSION = 1  # of how candidates are promoted; part of the content key (S31)


class ChampionStep(Step):
    """The version that serves from the end of this partition, with the reason for keeping or promoting it."""

    name = "champion"
    job = "train"
    result = ChampionResult
    summary = "The version that serves from the end of this partition, and why it was promoted or kept."
    explanation = (
        "The candidate is promoted if every gate passed. Otherwise the previous champion keeps serving. Every change "
        "is a row of the promotion log."
    )
    changes_with = "the verdicts"
    advice = (
        "`ml-platform models PIPELINE --history` lists who changed the champion and why. `ml-platform rollback` "
        "restores an earlier one."
    )

    def badges(self, pipeline: ModelPipeline) -> tuple[str, ...]:
        return trainer_of(pipeline.trainer).model.libraries

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "verdicts")

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the version, its verdicts and the champion before.

        Raises OrderError while the partition before is undecided.
        """
        _refuse_out_of_order(ws, pipeline, partition)
        version = version_of(ws, pipeline, partition)
        reads = [r for step in ("candidate", "verdicts") for r in reading.own(ws, pipeline, step, [partition])]
        if version is None:
            return recipe("champion", SKIPPED_KEY, partition, by_content=reads)
        keys = set(pipeline.required_gates)
        evidence = sorted(
            (v.gate_key, v.slice, str(v.passed))
            for v in verdicts.of(ws.state, pipeline.name, version.version)
            if v.gate_key in keys
        )
        before = incumbent(ws, pipeline, partition, version.version)
        reads += version_read(ws, pipeline, before)
        return recipe("champion", CODE_VERSION, version.content_key, evidence, sorted(keys), before, by_content=reads)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Promote the candidate if every verdict allows it. Otherwise keep the champion and record the reason."""
        version = version_of(ws, pipeline, partition)
        end = window_of(pipeline, partition)[1]
        moment = end or (version.decided_at if version else None)
        state, name = ws.state, pipeline.name
        keep = partial(promotions.keep, state, name, partition=partition, actor="platform", run_id=author.run_id)
        if version is None:
            why = decision_of(ws, pipeline, partition).reason
            if moment is not None:  # on record, so that a rollback after it leaves its predictions alone
                keep(effective_at=moment, reason=f"skipped: {why}")
            return _recorded(ws, pipeline, author, moment, "skipped", None, why)
        assert moment is not None  # every version knows when it was decided
        try:
            promotions.promote(
                state,
                name,
                version.version,
                pipeline.required_gates,
                partition=partition,
                effective_at=moment,
                reason="every gate passed",
                actor="platform",
                run_id=author.run_id,
            )
        except PromotionRefused as refusal:
            why = "; ".join(refusal.reasons)
            keep(effective_at=moment, reason=why)
            return _recorded(ws, pipeline, author, moment, "kept", version.version, why)
        return _recorded(ws, pipeline, author, moment, "promoted", version.version)


def _recorded(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    moment: datetime | None,
    outcome: ChampionOutcome,
    candidate: int | None,
    reason: str = "",
) -> Outcome:
    serving = promotions.champion_at(ws.state, pipeline.name, moment)
    display: dict[str, Any] = {"outcome": outcome}
    if candidate is not None:
        display["candidate"] = f"{pipeline.name}@{candidate}"
    if reason:
        display["reason"] = reason
    display["champion"] = f"{pipeline.name}@{serving}" if serving else "none"
    if serving:
        version = versions.version(ws.state, pipeline.name, serving)
        display |= {"trained after": version.partition, "trained in run": {"run": version.run_id}}
        display |= {"bundle": {"blob": version.bundle}, "model card": card(ws, pipeline, serving)}
    result = ChampionResult(outcome, candidate, serving)
    status: Status = "skipped" if outcome == "skipped" else "made"
    return record(ws, author, Outcome(1, status, result=result, display=display))


def _refuse_out_of_order(ws: Workspace, pipeline: ModelPipeline, partition: str) -> None:
    """S33: a partition is decided only when the one before it is."""
    before = pipeline.partition_before(partition)
    if before is None or reading.own(ws, pipeline, "champion", [before]):
        return
    decided = decisions.current(ws.state, pipeline.name).get(before)
    if decided is None or decided.trains:
        raise OrderError(
            f"{pipeline.name}/champion for {partition} follows {before}, which is undecided.",
            remedy=f"Materialize {pipeline.name} for {before} first.",
        )
