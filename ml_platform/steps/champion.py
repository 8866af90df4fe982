"""The champion step: the candidate is promoted if every verdict allows it; otherwise the champion stays."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from ml_platform.errors import DataBlocked, GateWaits, OrderError, PromotionRefused
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models.registry import trainer_of
from ml_platform.naming import capitalized
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.data_blocks import DataBlock, data_blocks
from ml_platform.runtime.settled import rejudged
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Status, Workspace, record, window_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions, verdicts, versions
from ml_platform.state.results import ChampionOutcome, ChampionResult
from ml_platform.steps.candidate import version_of
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.incumbent import card, incumbent, version_read
from ml_platform.steps.training_set import SKIPPED_KEY

CODE_VERSION = 1  # of how candidates are promoted; part of the content key (S31)
DATA_CHECK = "data"


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
    changes_with = "the verdicts, or a failed check on the data behind them"
    alerts = "blocked"
    is_served = True
    advice = (
        "*blocked*: a failed check stands on its data. Correct the file and run again. Where its "
        "data are right: `ml-platform promote PIPELINE@N --why TEXT`. *waiting*: a gate is measured again by the "
        "next run. `ml-platform models PIPELINE --history` lists who changed the champion and why. "
        "`ml-platform rollback` makes an earlier one serve again."
    )

    def badges(self, pipeline: ModelPipeline) -> tuple[str, ...]:
        return trainer_of(pipeline.learner).libraries(pipeline.learner)

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
            (v.gate_key, v.slice, str(v.passed), *(["waits"] if v.waits else []))
            for v in verdicts.of(ws.state, pipeline.name, version.version)
            if v.gate_key in keys
        )
        before = incumbent(ws, pipeline, partition, version.version)
        reads += version_read(ws, pipeline, before)
        blocks = [
            (block.table, block.partition, block.check, block.content_key)
            for block in data_blocks(ws, pipeline, version.version, before)
        ]
        about = (version.content_key, evidence, sorted(keys), before, *([blocks] if blocks else []))
        return recipe("champion", CODE_VERSION, *about, by_content=reads)

    def checks(self, pipeline: ModelPipeline) -> tuple[tuple[str, str], ...]:
        return ((DATA_CHECK, "No failed check stands on data that the candidate was made from and the champion not."),)

    def run(self, ws: Workspace, pipeline: ModelPipeline, partition: str, run_id: str) -> Outcome:
        """Do the work, or return the recorded outcome. Dagster expects the check, which older records do not hold."""
        outcome = super().run(ws, pipeline, partition, run_id)
        return outcome if outcome.checks else replace(outcome, checks=(_data_check(()),))

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
            return _recorded(ws, pipeline, author, moment, "skipped", None, (why,))
        assert moment is not None  # every version knows when it was decided
        waited = _waited(ws, pipeline, partition)
        blocks = data_blocks(ws, pipeline, version.version, incumbent(ws, pipeline, partition, version.version))
        try:
            promotion = promotions.promote(
                state,
                name,
                version.version,
                pipeline.required_gates,
                partition=partition,
                effective_at=_not_before_scored(ws, pipeline, moment) if waited else moment,
                reason="every gate passed",
                actor="platform",
                run_id=author.run_id,
                data_blocks=[block.phrase for block in blocks],
                waited=waited,
            )
        except PromotionRefused as refusal:
            outcome: ChampionOutcome = "kept"
            if isinstance(refusal, DataBlocked | GateWaits):
                outcome = "blocked" if isinstance(refusal, DataBlocked) else "waiting"
            keep(effective_at=moment, reason="; ".join(refusal.reasons))
            return _recorded(ws, pipeline, author, moment, outcome, version.version, tuple(refusal.reasons), blocks)
        return _recorded(ws, pipeline, author, max(moment, promotion.effective_at), "promoted", version.version)


def _waited(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether a candidate of the partition was kept waiting before, by its data or by a gate that is measured anew."""
    last = ledger.latest_of(ws.state, f"{pipeline.name}/champion", partition)
    undecided = last is not None and last.result_as(ChampionResult).undecided
    return undecided or rejudged(ws, pipeline, partition)


def _not_before_scored(ws: Workspace, pipeline: ModelPipeline, moment: datetime) -> datetime:
    """The moment, or the end of the last partition that an earlier champion scored: its predictions stand (S21)."""
    scored = ledger.latest(ws.state, f"{pipeline.name}/predictions")
    ends = (window_of(pipeline, partition)[1] for _, partition in scored)
    return max([moment, *(end for end in ends if end is not None)])


def _recorded(
    ws: Workspace,
    pipeline: ModelPipeline,
    author: Author,
    moment: datetime | None,
    outcome: ChampionOutcome,
    candidate: int | None,
    reasons: tuple[str, ...] = (),
    blocks: Sequence[DataBlock] = (),
) -> Outcome:
    serving = promotions.champion_at(ws.state, pipeline.name, moment)
    display: dict[str, Any] = {"outcome": outcome}
    if candidate is not None:
        display["candidate"] = f"{pipeline.name}@{candidate}"
    if reasons:
        display["reason"] = "; ".join(reasons)
    display["champion"] = f"{pipeline.name}@{serving}" if serving else "none"
    if serving:
        version = versions.version(ws.state, pipeline.name, serving)
        display |= {"trained after": version.partition, "trained in run": {"run": version.run_id}}
        display |= {"bundle": {"blob": version.bundle}, "model card": card(ws, pipeline, serving)}
    result = ChampionResult(outcome, candidate, serving, reasons)
    status: Status = "skipped" if outcome == "skipped" else "made"
    return record(ws, author, Outcome(1, status, result=result, display=display, checks=(_data_check(blocks),)))


def _data_check(blocks: Sequence[DataBlock]) -> CheckResult:
    shown = [
        {"table": b.table, "partition": b.partition, "check": b.check, "value": b.value, "threshold": b.threshold}
        for b in blocks
    ]
    described = ". ".join(capitalized(block.phrase) for block in blocks)
    return CheckResult(
        DATA_CHECK,
        not blocks,
        "error",
        len(blocks),
        0,
        f"{described}." if blocks else "No failed check stands on its data.",
        {"failed checks": shown} if shown else {},
    )


def _refuse_out_of_order(ws: Workspace, pipeline: ModelPipeline, partition: str) -> None:
    """S33: a partition is decided only when the one before it is."""
    before = pipeline.partition_before(partition)
    if before is None or reading.own(ws, pipeline, "champion", [before]):
        return
    decided = decisions.current_of(ws.state, pipeline.name, before)
    if decided is None or decided.trains:
        raise OrderError(
            f"{pipeline.name}/champion for {partition} follows {before}, which is undecided.",
            remedy=f"Materialize {pipeline.name} for {before} first.",
        )
