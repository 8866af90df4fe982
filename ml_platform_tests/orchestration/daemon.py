"""Dagster's sensor daemon over a code location, in this process: its own loop, its own ticks, on a real instance."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.sensor import execute_sensor_iteration

from ml_platform.orchestration import workspaces
from ml_platform.settings import Settings
from ml_platform_tests.orchestration.dagster_platform import platform_in

CONFIG = """
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
"""
_LOGGER = logging.getLogger("the daemon of a test")


@dataclass
class Daemon:
    """The daemon of an instance. Runs that sensors ask for are executed at once, in this process."""

    settings: Settings
    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    clock: datetime

    def goes_on(self, minutes: float, step: timedelta = timedelta(seconds=30)) -> None:
        """Let all sensors tick each `step` for as long as that, by a clock that nobody waits for."""
        end = self.clock + timedelta(minutes=minutes)
        while self.clock < end:
            self.clock += step
            with freeze_time(self.clock):
                list(execute_sensor_iteration(self.workspace, _LOGGER, None, None))  # a generator that does the work

    def settles(self, rounds: int = 20) -> None:
        """Let all sensors tick until a round asks for no run."""
        for _ in range(rounds):
            before = self.instance.get_runs_count()
            self.goes_on(0.5)
            if self.instance.get_runs_count() == before:
                return
        raise AssertionError(f"the sensors still ask after {rounds} rounds")

    def ticks(self) -> dict[str, list[InstigatorTick]]:
        """Every tick of each sensor, newest first."""
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        return {
            state.name: list(self.instance.get_ticks(state.instigator_origin_id, state.selector_id)) for state in states
        }

    def red_ticks(self) -> list[str]:
        """The errors of ticks that failed."""
        return [
            f"{name}: {tick.error}"
            for name, ticks in self.ticks().items()
            for tick in ticks
            if tick.status == TickStatus.FAILURE
        ]

    def failed_runs(self) -> list[str]:
        """The runs that failed, with the errors of their steps."""
        runs = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        return [f"{run.job_name}: {self._errors(run.run_id)}" for run in runs]

    def _errors(self, run_id: str) -> list[str]:
        entries = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        return [str(entry.dagster_event.step_failure_data.error) for entry in entries if entry.dagster_event]


@contextmanager
def daemon_in(folder: Path, *declared: str) -> Iterator[Daemon]:
    """An empty platform in a folder, with the pipelines of the modules `declared`, and its daemon."""
    workspaces._workspaces.clear()
    with platform_in(folder, *declared, config=CONFIG) as platform, warnings.catch_warnings():
        # Dagster 1.13 (2026-11) reads a property that it deprecated itself, where a daemon loads its code in-process.
        warnings.filterwarnings("ignore", "Property `ScheduleDefinition.environment_vars`", DeprecationWarning)
        target = LoadableTargetOrigin(executable_path=sys.executable, module_name="ml_platform.definitions")
        origin = InProcessCodeLocationOrigin(target, location_name="ml_platform")
        with (
            dg.DagsterInstance.get() as instance,
            WorkspaceProcessContext(instance, InProcessTestWorkspaceLoadTarget(origin)) as workspace,
        ):
            yield Daemon(platform.settings, instance, workspace, datetime.now(UTC))
