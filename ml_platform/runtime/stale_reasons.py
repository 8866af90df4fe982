"""Why an asset would be made: each reason as data, and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake.recipes import Read
from ml_platform.naming import counted, listed
from ml_platform.runtime.planner import Planner
from ml_platform.runtime.settled import rejudged
from ml_platform.runtime.stale_tables import Assets
from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import intact
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import decisions, ledger, verdicts
from ml_platform.state.checks import unfinished
from ml_platform.state.ledger import Record
from ml_platform.state.results import CandidateResult
from ml_platform.validation.file_plans import validated_recipe

ReasonKind = Literal[
    "new_data",
    "read_again",
    "never_made",
    "lost_output",
    "changed_input",
    "changed_declaration",
    "follows",
    "decision",
    "gate_measured_again",
    "gate_waits",
    "unfinished_checks",
    "source_unavailable",
]


@dataclass(frozen=True)
class Reason:
    """Why an asset would be made.

    kind:   what programs decide by.
    about:  the files, inputs or upstream assets that it is about.
    text:   the same in words, for people.
    """

    kind: ReasonKind
    text: str
    about: tuple[str, ...] = ()


def reason_of(planner: Planner, asset: Sequence[str], partition: str, run: Assets) -> Reason:
    """Why `asset` is stale, in a run that would make the assets `run` of the partition. Reads only."""
    layer, name = asset
    if layer == "raw":
        return _of_raw(planner, name)
    if layer != planner.pipeline.name:
        return _of_table(planner, name, partition, run)
    step = next(step for step in planner.steps if step.name == name)
    return _of_step(planner, step, partition, run)


def _of_raw(planner: Planner, table: str) -> Reason:
    look = planner.pending_of(table)
    if look.unavailable is not None:
        return Reason("source_unavailable", "its source cannot be read now", (look.unavailable.path,))
    if look.nothing:
        return Reason("read_again", "files that were refused, or were read by an earlier rule, are looked at again")
    counts = [counted(len(paths), f"{kind} file") for kind, paths in _waiting(look.new, look.changed) if paths]
    return Reason("new_data", f"new data: {' and '.join(counts)}", tuple(look.paths))


def _waiting(new: list[str], changed: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("new", new), ("changed", changed)


def _of_table(planner: Planner, name: str, partition: str, run: Assets) -> Reason:
    ws, table = planner.ws, planner.pipeline.table(name)
    slices = ws.slices.get(name)
    which = WHOLE if slices is None else partition
    last = ledger.latest_of(ws.state, f"validated/{name}", which)
    if ["raw", name] in run:
        return Reason("follows", f"raw/{name} is read in the same run", (f"raw/{name}",))
    if last is None:
        return Reason("never_made", "it was never made")
    now = validated_recipe(ws.state, table, slices, which)
    if now is not None and now.content_key == last.content_key:
        if (name, which) in unfinished(ws.state):
            return Reason("unfinished_checks", "its checks were not finished")
        return Reason("lost_output", "its output is missing or damaged")
    before = ledger.details(ws.state, last.id).reads
    if now is None or (before is not None and _changed(before, now.reads)):
        return Reason("changed_input", "files with rows in it changed", (f"raw/{name}",))
    return Reason("changed_declaration", "its contract, its declaration or the code that validates changed")


def _of_step(planner: Planner, step: Step, partition: str, run: Assets) -> Reason:
    ws, pipeline = planner.ws, planner.pipeline
    last = ledger.latest_of(ws.state, step.asset(pipeline), partition)
    if step.name == "verdicts" and _waits(planner, partition):
        return Reason("gate_waits", "a gate was not judged, and is measured again")
    if step.name in ("verdicts", "champion") and rejudged(ws, pipeline, partition):
        return Reason("gate_measured_again", "a gate measured its candidate anew")
    upstream = ["/".join(key) for key in map(list, step.stale_with(pipeline)) if key in run]
    follows = Reason("follows", f"{listed(upstream)} would be made too", tuple(upstream))
    if step.job == "train" and not upstream:
        decision = decisions.current_of(ws.state, pipeline.name, partition)
        if decision is not None and decision.trains and (last is None or last.recorded_at < decision.recorded_at):
            return Reason("decision", f"{decision.outcome}: {decision.reason}", (partition,))
    if last is None:
        return follows if step.job == "train" and upstream else Reason("never_made", "it was never made")
    if upstream:
        return follows
    return _of_record(planner, step, partition, last)


def _of_record(planner: Planner, step: Step, partition: str, last: Record) -> Reason:
    """Why the record of a step does not stand."""
    ws, pipeline = planner.ws, planner.pipeline
    try:
        now = step.key(ws, pipeline, partition)
    except (OrderError, NotFoundError):
        return Reason("changed_input", "something that it is made of is not there")
    if now.content_key == last.content_key and not intact(ws, last, step.table(pipeline)):
        return Reason("lost_output", "its output is missing or damaged")
    before = ledger.details(ws.state, last.id).reads
    if before is not None and (changed := _changed(before, now.reads)):
        return Reason("changed_input", f"changed: {listed(changed)}", tuple(changed))
    return Reason("changed_declaration", "its declaration, its code or a library changed")


def _changed(before: Sequence[Read], now: Sequence[Read]) -> list[str]:
    """The inputs that one of two lists has and the other has not, or has with other content."""
    differing = set(before) ^ set(now)
    names = (one.asset if one.partition == WHOLE else f"{one.asset} {one.partition}" for one in differing)
    return sorted(set(names))


def _waits(planner: Planner, partition: str) -> bool:
    state, name = planner.ws.state, planner.pipeline.name
    record = ledger.latest_of(state, f"{name}/candidate", partition)
    number = record.result_as(CandidateResult).candidate if record else None
    return number is not None and any(verdict.waits for verdict in verdicts.of(state, name, number))
