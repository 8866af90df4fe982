"""Finds settled partitions: those with a decision that was carried out up to the champion (S6).

Their predictions, decisions and models are kept, whatever is declared, corrected or installed later.
"""

from collections.abc import Sequence

from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions, verdicts
from ml_platform.state.ledger import Record
from ml_platform.state.results import CandidateResult, ChampionResult, DecisionResult, PredictionsResult

_Records = dict[str, Record]


def settled_steps(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], partition: str) -> frozenset[str]:
    """The settled steps of the partition. Empty for a pipeline without partitions, which decides again each time.

    Steps that never freeze are excluded: later trainings read features, and late labels change performance. A step
    with `stands_until` is settled while that other step has no newer record.
    """
    records = _records(ws, pipeline, steps, partition)
    data = {step.name for step in steps if step.job == "data" and step.freezes}
    train = {step.name for step in steps if step.job == "train" and step.freezes}
    if pipeline.partitions is None or not records.keys() >= data:
        return frozenset()
    if _had_no_examples(ws, pipeline, partition) or _out_of_order(ws, pipeline, partition, records):
        return frozenset()
    trained = records.keys() & train
    complete = trained == train
    decision = records["decision"].result_as(DecisionResult)
    if (trained or decision.trains) and not complete and decision.outcome != "manual":
        return frozenset()  # a person asks for what was skipped and settled: its data stand
    standing = {*data, *(train if complete and _carried_through(ws, pipeline, partition, records) else ())}
    for step in steps:
        own, other = records.get(step.name), records.get(step.stands_until)
        if step.stands_until and own is not None and (other is None or other.recorded_at <= own.recorded_at):
            standing.add(step.name)
    if rejudged(ws, pipeline, partition):
        standing -= {"verdicts", "champion"}
    return frozenset(standing)


def rejudged(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether a gate measured the partition's candidate anew after it was decided, so that it is decided again."""
    decided = ledger.latest_of(ws.state, f"{pipeline.name}/champion", partition)
    candidate = decided.result_as(ChampionResult).candidate if decided else None
    if decided is None or candidate is None:
        return False
    again = verdicts.measured_again(ws.state, pipeline.name).get(candidate)
    return again is not None and again > decided.recorded_at


def outdated_training(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], partition: str) -> str:
    """The mark of the settled training after the partition if a different one would be made now; else empty."""
    train = [step for step in steps if step.job == "train"]
    with ws.reading():
        if not settled_steps(ws, pipeline, steps, partition).issuperset(step.name for step in train):
            return ""
        records = _records(ws, pipeline, steps, partition)
        for step in train:
            if (
                step.result.passes_on
                and step.key(ws, pipeline, partition).content_key != records[step.name].content_key
            ):
                return _mark(records)
    return ""


def lacked_examples(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether a champion should have scored the partition but there were no examples."""
    record = ledger.latest_of(ws.state, f"{pipeline.name}/predictions", partition)
    return record is not None and record.rows == 0 and record.result_as(PredictionsResult).champion is not None


def _records(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], partition: str) -> _Records:
    newest = {step.name: ledger.latest_of(ws.state, step.asset(pipeline), partition) for step in steps}
    return {name: record for name, record in newest.items() if record is not None}


def _had_no_examples(ws: Workspace, pipeline: ModelPipeline, partition: str) -> bool:
    """Whether the partition was decided before its files arrived, so that it has no predictions to keep."""
    if not lacked_examples(ws, pipeline, partition):
        return False
    come = ledger.latest_of(ws.state, f"validated/{pipeline.examples.table}", partition)
    return come is not None and come.rows > 0


def _out_of_order(ws: Workspace, pipeline: ModelPipeline, partition: str, records: _Records) -> bool:
    """Whether it was scored before the decision on the previous partition, which changed its champion."""
    before = pipeline.partition_before(partition)
    decided = decisions.first_taken(ws.state, pipeline.name).get(before) if before else None
    if decided is None or decided <= records["predictions"].recorded_at:
        return False
    champion = promotions.champion_at(ws.state, pipeline.name, window_of(pipeline, partition)[0])
    return records["predictions"].result_as(PredictionsResult).champion != champion


def _carried_through(ws: Workspace, pipeline: ModelPipeline, partition: str, records: _Records) -> bool:
    """Whether the recorded champion results from the recorded decision, compared by content."""
    decision = records["decision"].result_as(DecisionResult)
    candidate = records["candidate"].result_as(CandidateResult)
    champion = records["champion"].result_as(ChampionResult)
    blob = records["training_set"].output
    if not decision.trains:
        return not blob and champion.outcome == "skipped"
    if not blob or candidate.training_set != blob or champion.candidate != candidate.candidate:
        return False
    if champion.undecided and not _was_promoted(ws, pipeline, champion.candidate):
        return False
    entry = decisions.newest_manual(ws.state, pipeline.name).get(partition) if decision.outcome == "manual" else None
    return entry is None or entry.replaces != _mark(records)


def _was_promoted(ws: Workspace, pipeline: ModelPipeline, version: int | None) -> bool:
    """Whether a person promoted what was blocked or waited."""
    return any(entry.version == version for entry in promotions.changed(ws.state, pipeline.name))


def _mark(records: _Records) -> str:
    return content_key("training", records["training_set"].content_key, records["candidate"].content_key)
