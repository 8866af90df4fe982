"""The job that makes many partitions in one run: all steps of the first, then all steps of the next (S33).

Predictions use the champion at the start of their partition, features read the history before it. So partitions go one
after the other, in the planner's order. A run that fails or is killed keeps what it finished, and its tags name the
partition at which it ended.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import count
from time import sleep

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ml_platform import interrupts
from ml_platform.discovery import pipelines
from ml_platform.errors import PlatformError, first_line
from ml_platform.orchestration import columns
from ml_platform.orchestration.assets.pipeline import step_result
from ml_platform.orchestration.assets.tables import validation_results
from ml_platform.orchestration.earlier_runs import STATE_TAG, WANTED_TAG
from ml_platform.orchestration.events import Metadata
from ml_platform.orchestration.jobs import PIPELINE_TAG, pool_of, range_job_name
from ml_platform.orchestration.range_events import Event, announce_planned, events_of, version_of_partition
from ml_platform.orchestration.resources import KEY, WorkspaceResource
from ml_platform.quality.checks import Reference
from ml_platform.runtime import ranges
from ml_platform.runtime.planner import Work
from ml_platform.runtime.run_state import state_of
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.steps.all_steps import STEPS, planner, step_named
from ml_platform.steps.tables import references_of

_given: ContextVar[Iterator[Work] | None] = ContextVar("work of the range", default=None)


class PartitionFailed(PlatformError):
    """Assets of a partition failed in a run of many."""


def range_job(pipeline: ModelPipeline, addresses: Sequence[str] = ()) -> dg.JobDefinition | None:
    """The job that makes many partitions of the data job; None where partitions are long, or there are none.

    `addresses` lists all pipelines of the code location; empty: ML_PLATFORM_PIPELINES lists them.
    """
    if pipeline.partitions is None or not pipeline.partitions.short:
        return None

    @dg.op(
        name=f"{pipeline.name}_partitions",
        description="Makes one partition after the other, until one is to be trained on.",
        out={},
        pool=pool_of(pipeline),
    )
    def make_partitions(context: dg.OpExecutionContext, ml_platform_workspace: WorkspaceResource):  # type: ignore[no-untyped-def]  # Dagster reads the annotation, and a generator's has no meaning to it
        yield from _Range(context, ml_platform_workspace, pipeline).events()

    @dg.job(
        name=range_job_name(pipeline),
        description=f"Many partitions of `{pipeline.name}_data` in one run, up to {ranges.LONGEST}, with the same "
        "results as a run for each. It ends where a decision starts a training.",
        tags={PIPELINE_TAG: pipeline.name},
        executor_def=dg.in_process_executor,
        # Its own, because Dagster copies a sensor to give resources to its jobs, and warns of its own copy.
        resource_defs={KEY: WorkspaceResource(pipelines=list(addresses)), "io_manager": dg.mem_io_manager},
    )
    def many_partitions() -> None:
        make_partitions()

    return many_partitions


@contextmanager
def making(works: Iterator[Work]) -> Iterator[None]:
    """A range job that is executed in the body, in this thread, makes this work and plans none itself."""
    before = _given.set(works)
    try:
        yield
    finally:
        _given.reset(before)


@dataclass
class _Range:
    """The partitions of one run."""

    context: dg.OpExecutionContext
    workspace: WorkspaceResource
    pipeline: ModelPipeline

    def events(self) -> Iterator[Event]:
        """Make the partitions one after the other; what Dagster is to know of each asset, as soon as it is made."""
        works, plan = _given.get(), planner(self.workspace.workspace(), self.pipeline)
        tags = self.context.run.tags
        if works is None:
            works = ranges.beginning_with(self.pipeline, plan.work(), tags.get(PARTITION_NAME_TAG))
        for work in works:
            about = {PARTITION_NAME_TAG: work.partition}
            if STATE_TAG in tags:  # a sensor judges by them what became of this work
                state = state_of(plan, work)
                about |= {STATE_TAG: state.key, WANTED_TAG: state.wanted}
            self.context.instance.add_run_tags(self.context.run_id, about)
            yield from self._made(work)

    def _made(self, work: Work) -> Iterator[Event]:
        """Make the assets of one piece of work, upstream first.

        As in a run of its own, what is downstream of a failed asset is left out, and the others are made. Raises
        PartitionFailed then.
        """
        ws, assets = self.workspace.workspace(), _in_order(self.pipeline, work)
        announce_planned(
            self.context, [(dg.AssetKey(key), _dagster_partition(ws, key, work.partition)) for key in assets]
        )
        failures = dict[str, Exception]()
        blocked = set[tuple[str, ...]]()
        for key in assets:
            if key[0] == "quarantine":
                continue  # its validated table makes it
            if blocked.intersection(_upstream(self.pipeline, key)):
                blocked.add(tuple(key))
                continue
            try:
                results = self._results(key, work.partition)
            except Exception as error:  # whatever a step raises: assets that do not depend on it are made
                interrupts.stop_if_arrived()
                blocked.add(tuple(key))
                failures["__".join(key)] = error
                continue
            for result in results:
                assert result.asset_key is not None
                asset_key = list(result.asset_key.path)
                versions = {
                    dg.AssetKey(upstream): _version(ws, upstream, work.partition)
                    for upstream in _upstream(self.pipeline, asset_key)
                }
                yield from events_of(self.context, result, _dagster_partition(ws, asset_key, work.partition), versions)
        if failures:
            reasons = "; ".join(f"{asset}: {_reason(error)}" for asset, error in failures.items())
            raise PartitionFailed(f"{work.partition}: {reasons}") from next(iter(failures.values()))

    def _results(self, key: list[str], partition: str) -> list[dg.MaterializeResult[None]]:
        """Make one asset, and again after a fault that may pass."""
        layer, name = key
        if layer == self.pipeline.name:
            step = step_named(name)
            return [step_result(self.context, self.workspace, self.pipeline, step, partition, self._columns[name])]
        table, references = self.pipeline.table(name), self._references[name]
        whole = self.workspace.workspace().slices.get(name) is None
        for attempt in count():
            try:
                results = validation_results(
                    self.context, self.workspace, table, references, WHOLE if whole else partition
                )
                return list(results)
            except dg.RetryRequested as again:
                if attempt >= again.max_retries:
                    raise again.__cause__ or again from None
                self.context.log.warning(f"{'/'.join(key)} is tried again: {first_line(again.__cause__ or again)}")
                sleep(again.seconds_to_wait or 0)
        raise AssertionError("unreachable: it counts for ever")

    @cached_property
    def _columns(self) -> dict[str, Metadata]:
        return {step.name: columns.of_step(self.pipeline, step) for step in STEPS}

    @cached_property
    def _references(self) -> dict[str, list[Reference]]:
        declared = list(pipelines(self.workspace.settings()).values())
        return {table.name: references_of(declared, table.name) for table in self.pipeline.tables}


def _in_order(pipeline: ModelPipeline, work: Work) -> list[list[str]]:
    """The assets of a piece of work, each after those that it is made of."""
    wanted = {tuple(key) for key in work.only or []}
    by_need = TopologicalSorter({table.name: table.needs for table in pipeline.tables}).static_order()
    tables = [[layer, name] for name in by_need for layer in ("validated", "quarantine")]
    ordered = [*tables, *([pipeline.name, step.name] for step in STEPS)]
    return [key for key in ordered if tuple(key) in wanted]


def _upstream(pipeline: ModelPipeline, key: list[str]) -> list[tuple[str, str]]:
    layer, name = key
    if layer == pipeline.name:
        return list(step_named(name).upstream(pipeline))
    return [("raw", name), *(("validated", need) for need in pipeline.table(name).needs)]


def _dagster_partition(ws: Workspace, key: list[str], partition: str) -> str | None:
    """The partition of an asset that Dagster knows: None for a table without time."""
    layer, name = key
    return None if layer in ("validated", "quarantine") and ws.slices.get(name) is None else partition


def _version(ws: Workspace, key: tuple[str, str], partition: str) -> str | None:
    """The data version that Dagster notes of what an upstream asset holds for the partition."""
    layer, name = key
    whole = layer == "raw" or (layer == "validated" and ws.slices.get(name) is None)
    record = ledger.latest_of(ws.state, f"{layer}/{name}", WHOLE if whole else partition)
    if record is None:
        return None
    return record.content_key if whole else version_of_partition(record.content_key)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PlatformError) else f"{type(error).__name__}: {first_line(error)}"
