"""Hashes of the state that a run would start from. No second run is requested for the same state (S31).

A state may recur, so there are two hashes. `wanted` covers the content to be made. `key` adds the current outputs
and the runs that made them, so that a state that recurs has a new key.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.runtime.planner import Planner, Work
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.registry import source_of
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.validation import validated


@dataclass(frozen=True)
class RunState:
    """The hashes of the state that a run would start from."""

    wanted: str
    key: str


def state_of(planner: Planner, work: Work) -> RunState:
    """The state for which `work` is due. Read-only."""
    assets, pipeline = work.only or [], planner.pipeline
    with planner.ws.reading():
        wanted = [_wanted(planner, layer, name, work.partition) for layer, name in assets]
        standing = [_standing(planner.ws, layer, name, work.partition) for layer, name in assets]
    about = (pipeline.name, work.job, work.partition, assets, wanted)
    return RunState(content_key("wanted", *about), content_key("state", *about, standing))


def first_state(settings: Settings, pipeline: ModelPipeline, work: Work) -> RunState:
    """The state before the lake exists, from landed files alone."""
    about = (pipeline.name, work.job, work.partition, work.only, source_marks(settings, pipeline.tables))
    return RunState(content_key("wanted", *about), content_key("state", *about))


def source_marks(settings: Settings, tables: Iterable[Table]) -> list[list[Any]]:
    """What changes when a source may have something new: of landed files, their sizes and modification times."""
    return [[table.name, *mark] for table in tables for mark in source_of(settings, table).marks()]


def _wanted(planner: Planner, layer: str, name: str, partition: str) -> Any:
    ws, pipeline = planner.ws, planner.pipeline
    if layer == "raw":
        return source_marks(ws.settings, [pipeline.table(name)])
    if layer != pipeline.name:
        table = pipeline.table(name)
        return validated.validated_key(ws.state, table, ws.slices.get(name), _slice(ws, table, partition))
    step = next(step for step in planner.steps if step.name == name)
    try:
        return step.key(ws, pipeline, partition).content_key
    except (OrderError, NotFoundError):
        return None  # something before it is made by the same run


def _standing(ws: Workspace, layer: str, name: str, partition: str) -> Any:
    asset = f"{'validated' if layer == 'quarantine' else layer}/{name}"
    whole = layer in ("raw", "validated", "quarantine") and (layer == "raw" or ws.slices.get(name) is None)
    record = ledger.latest_of(ws.state, asset, WHOLE if whole else partition)
    return [record.content_key, record.run_id] if record else None


def _slice(ws: Workspace, table: Table, partition: str) -> str:
    return WHOLE if ws.slices.get(table.name) is None else partition
