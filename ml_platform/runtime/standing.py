"""Which partitions need no work because nothing that they depend on changed since a plan found them settled.

A settled partition depends on the past only: on rows, records, decisions and promotions of moments before its end, and
on labels that come within the maturity. So whatever changed since the last complete plan has a first moment, and the
partitions that ended by then stand. What cannot be placed in time changes all of them: a declaration, the code, a
library, a table without time. The disk is looked at each time.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from ml_platform.lake import data_files
from ml_platform.runtime.changes import EVERYTHING, ends_of_tables, first_change, start_of
from ml_platform.runtime.settled import settled_steps
from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import Workspace, intact
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import checks, ledger, settled_plans, spans
from ml_platform.state.settled_plans import SettledPlan

_PACKAGE = Path(__file__).parents[1]


_declared: dict[int, tuple[ModelPipeline, Mapping[str, Partitions | None], str]] = {}


@dataclass(frozen=True)
class Standing:
    """The partitions that need no work, and those of them that are settled and would be made otherwise now."""

    partitions: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()


def standing(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step]) -> Standing:
    """What stands since the last complete plan of the pipeline; nothing where there was none."""
    plan = settled_plans.last(ws.state, pipeline.name)
    if plan is None or pipeline.partitions is None or plan.declared != declared(ws, pipeline, steps):
        return Standing()
    changed = first_change(ws, pipeline, plan)
    damage = _first_damage(ws, pipeline, steps, plan)
    first = min((moment for moment in (changed, damage) if moment is not None), default=None)
    if first == EVERYTHING:
        return Standing()
    keys, window = pipeline.partition_keys(), pipeline.partitions.window
    upto = bisect_right(keys, plan.through)
    if first is not None:
        upto = bisect_left(keys, True, hi=upto, key=lambda key: window(key)[1] > first)
    partitions = frozenset(keys[:upto]) - plan.others
    return Standing(partitions, plan.outdated & partitions)


def is_current(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], through: str) -> bool:
    """Whether the plan that was kept is about the state as it is now, up to the partition `through`."""
    plan = settled_plans.last(ws.state, pipeline.name)
    if plan is None or plan.through != through or plan.declared != declared(ws, pipeline, steps):
        return False
    return plan.marks == settled_plans.newest_numbers(ws.state)


def may_stand(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], partition: str) -> bool:
    """Whether a partition without work is settled in all its steps, so that it depends on the past only."""
    settled = settled_steps(ws, pipeline, steps, partition)
    ran = {step.job for step in steps if ledger.latest_of(ws.state, step.asset(pipeline), partition) is not None}
    return all(step.name in settled for step in steps if step.freezes and step.job in {"data", *ran})


def settled_plan(
    ws: Workspace,
    pipeline: ModelPipeline,
    steps: Sequence[Step],
    through: str,
    others: Iterable[str],
    outdated: Iterable[str],
) -> SettledPlan:
    """What a complete plan found, with the moment of the state at which it was made; inside its `ws.reading()`."""
    return SettledPlan(
        pipeline.name,
        declared(ws, pipeline, steps),
        through,
        frozenset(others),
        frozenset(outdated),
        settled_plans.newest_numbers(ws.state),
        ends_of_tables(ws, pipeline),
    )


def _first_damage(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], plan: SettledPlan) -> datetime | None:
    """The start of the first partition with an output that is not whole, or whose checks were not finished."""
    tables = {table.name: table for table in pipeline.tables}
    partitions: list[str | None] = []
    for lost in data_files.unusable(ws.lake):
        if lost.schema == pipeline.name or (lost.schema in ("validated", "quarantine") and lost.table in tables):
            partitions.append(lost.partition)
            if lost.schema == "validated" and spans.of_table(ws.state, lost.table) is None:
                return EVERYTHING  # of records of older code the rows tell when they matter
    partitions += [partition for table, partition in checks.unfinished(ws.state) if table in tables]
    tables_by_asset = {step.asset(pipeline): step.table(pipeline) for step in steps}
    for record in ledger.with_blobs_or_files(ws.state, list(tables_by_asset)):
        stands = record.partition <= plan.through and record.partition not in plan.others
        if stands and not intact(ws, record, tables_by_asset[record.asset]):
            partitions.append(record.partition)
    return min((start_of(pipeline, partition) for partition in partitions), default=None)


def declared(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step]) -> str:
    """A hash of everything that decides what is stale and that neither the state nor the disk holds.

    That is the declaration with the severity of gates, the partitions of tables, the steps, our code and the installed
    distributions, each by name and version. It is computed once a process for each declaration.
    """
    entry = _declared.get(id(pipeline))
    if entry is None or entry[0] is not pipeline or entry[1] != ws.slices:
        entry = _declared[id(pipeline)] = (pipeline, ws.slices, _hashed(ws, pipeline))
    return content_key(entry[2], [step.name for step in steps])


def _hashed(ws: Workspace, pipeline: ModelPipeline) -> str:
    severities = [(gate.key, gate.severity) for gate in pipeline.all_gates]
    slices = [ws.slices.get(table.name) for table in pipeline.tables]
    return content_key(pipeline, severities, slices, sys.version, code_stamps(), _distributions())


@cache
def code_stamps() -> list[list[object]]:
    """Size and time of change of the modules of the package, as they were when this process asked first.

    Ask early: code that changes later is not the code that this process has loaded.
    """
    stamps = [(str(file.relative_to(_PACKAGE)), file.stat()) for file in sorted(_PACKAGE.rglob("*.py"))]
    return [[name, stamp.st_size, stamp.st_mtime_ns] for name, stamp in stamps]


@cache
def _distributions() -> list[str]:
    """The folders of metadata of all installed distributions, whose names hold their versions."""
    folders = [Path(entry) for entry in sys.path if entry and Path(entry).is_dir()]
    return sorted(path.name for folder in folders for path in folder.glob("*.*-info"))
