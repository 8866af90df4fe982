"""Running a pipeline through Dagster from the terminal: only what is stale, partition by partition (S32)."""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Self

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ml_platform import interrupts
from ml_platform.discovery import pipelines
from ml_platform.errors import PlatformError
from ml_platform.orchestration import range_runs
from ml_platform.orchestration.active_runs import BEGUN, active_run
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.code_location import repository_origin, runs_belong_to
from ml_platform.orchestration.instances import faults_explained, opened_instance
from ml_platform.orchestration.interrupted_runs import canceled_by_ctrl_c
from ml_platform.orchestration.jobs import PIPELINE_TAG, range_job_name
from ml_platform.orchestration.killed_runs import IN_FLIGHT, end_if_killed
from ml_platform.orchestration.publication import published_together
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.runtime import progress, ranges, step_alerts
from ml_platform.runtime.planner import Work
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline

_OWN_TYPE = re.compile(r"^ml_platform\.[\w.]+: ")  # as Dagster writes the type of an error before its message
_LOOK_AGAIN = 1.0  # seconds between two looks at the runs of others
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """One Dagster run: its job, partition (of many the last), id, and the steps that failed with their reasons."""

    job: str
    partition: str
    run_id: str
    failures: tuple[str, ...]


class RunFailed(PlatformError):
    """A run had failing steps; `run` says which."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__(
            f"The run {run.run_id} of {run.job} for {run.partition} failed: {_listed(run.failures)}",
            remedy="Finished assets are kept: once the cause is mended, the next run goes on from them.",
        )


def _listed(failures: Sequence[str]) -> str:
    return "; ".join([*(failure.rstrip(".") for failure in failures[:-1]), *failures[-1:]])


class Runner:
    """Executes the jobs of a pipeline in this process on the Dagster instance of DAGSTER_HOME.

    As a context manager it opens the instance once for all runs, and publishes their records together: each opening and
    each publication costs 0.3 to 0.4 CPU seconds.
    """

    def __init__(
        self,
        pipeline: ModelPipeline,
        settings: Settings,
        on_step: Callable[[str, str], None],
        on_alert: Callable[[str], None] | None = None,
        on_stage: Callable[[str], None] | None = None,
    ) -> None:
        self._definitions = build_definitions(pipelines(settings).values())
        self._pipeline, self._settings = pipeline, settings
        self._on_step, self._on_alert, self._on_stage = on_step, on_alert, on_stage
        self._opened: ExitStack | None = None  # inside the context
        self._kept: dg.DagsterInstance | None = None

    def __enter__(self) -> Self:
        self._opened = ExitStack()
        self._opened.enter_context(published_together(workspace_for(self._settings)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        opened, self._opened, self._kept = self._opened, None, None
        if opened is not None:
            opened.__exit__(kind, error, at)

    def waited_for_others(self, on_wait: Callable[[str], None]) -> bool:
        """Wait while another process runs the pipeline or ingests its tables. Returns whether one did.

        `on_wait` gets a sentence about each such run. What was planned before may be made by now: plan again.
        """
        waits_for = ""
        with self._instance() as instance:
            while active := active_run(instance, self._pipeline, self._settings, BEGUN):
                if active != waits_for:
                    on_wait(active)
                waits_for = active
                interrupts.stop_if_arrived()
                time.sleep(_LOOK_AGAIN)
        return bool(waits_for)

    def run(self, job: str, partition: str, only: list[list[str]] | None = None) -> Run:
        """Run the job `data` or `train` for one partition.

        Raises RunFailed when a step fails, and KeyboardInterrupt after Ctrl-C: whatever fails then is its doing.
        """
        return self._executed(
            f"{self._pipeline.name}_{job}",
            partition,
            partition_key=partition if self._pipeline.partitions else None,
            asset_selection=[dg.AssetKey(key) for key in only] if only else None,
        )

    def run_all(self, works: Iterator[Work]) -> Run:
        """Run the work of one division of `runtime.ranges`: as a run of one partition, or of many.

        Each piece of work is asked for when the one before it is done. Raises as `run` does.
        """
        first = next(works)
        if not ranges.may_begin(self._pipeline, first):
            return self.run(first.job, first.partition, first.only)
        with range_runs.making(chain([first], works)):
            return self._executed(
                range_job_name(self._pipeline), first.partition, tags={PARTITION_NAME_TAG: first.partition}
            )

    def _executed(self, name: str, partition: str, **options: Any) -> Run:
        """Execute a job in this process. `options` are those of Dagster that say what of it."""
        with self._instance() as instance, self._listening():
            self._end_killed_runs(instance)
            definition = self._definitions.resolve_job_def(name)  # which asks the instance in whose context it stands
            origin = repository_origin(instance, self._pipeline.name)
            run_id = str(uuid.uuid4())
            with canceled_by_ctrl_c(instance, run_id), runs_belong_to(instance, origin, name):
                result = definition.execute_in_process(
                    instance=instance, run_config=_QUIET, raise_on_error=False, run_id=run_id, **options
                )
            if self._on_alert is not None:  # what no channel took before
                step_alerts.deliver(workspace_for(self._settings), self._on_alert)
            ended = instance.get_run_by_id(run_id)
        last = ended.tags.get(PARTITION_NAME_TAG, partition) if ended is not None else partition
        run = Run(name, last, run_id, _failures(event for event in result.all_node_events if event.is_step_failure))
        if not result.success:
            raise RunFailed(run)
        return run

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        if self._opened is None:
            with opened_instance() as instance:
                yield instance
            return
        with faults_explained():
            if self._kept is None:
                self._kept = self._opened.enter_context(opened_instance())
            yield self._kept

    def _end_killed_runs(self, instance: dg.DagsterInstance) -> None:
        """This run goes on where they ended; without a sensor nothing else ends them."""
        mine = dg.RunsFilter(statuses=IN_FLIGHT, tags={PIPELINE_TAG: self._pipeline.name})
        for record in instance.get_run_records(mine):
            end_if_killed(instance, self._settings, record)

    def _step_begins(self, asset: str, partition: str) -> None:
        interrupts.stop_if_arrived()  # a library may have swallowed it in the step before
        self._on_step(asset, partition)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        progress.listen(self._step_begins, self._on_alert, self._on_stage)
        try:
            yield
        finally:
            progress.listen(None)


def _failures(events: Iterable[dg.DagsterEvent]) -> tuple[str, ...]:
    """Each reason once, behind the steps that failed for it."""
    steps = dict[str, list[str]]()
    for event in events:
        steps.setdefault(_reason(event), []).append(str(event.step_key))
    return tuple(f"{', '.join(names)}: {reason}" for reason, names in steps.items())


def _reason(event: dg.DagsterEvent) -> str:
    """Why a step failed: the words of an error of the platform alone, of any other with its type."""
    error = event.step_failure_data.error
    cause = error.cause if error and error.cause else error
    return _OWN_TYPE.sub("", cause.message.strip()) if cause else "no reason given"
