"""A code location whose sensors tick as Dagster's daemon has them, and whose runs are executed here."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import dagster as dg
import pytest

from ml_platform.discovery import pipelines
from ml_platform.orchestration import ticking, workspaces
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.instigators import ALERT_SENSOR
from ml_platform.orchestration.resources import KEY, WorkspaceResource
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform_tests.orchestration.dagster_platform import Platform, platform_in
from ml_platform_tests.world import World, world

Ran = tuple[str, str, bool]  # job, partition, success


@dataclass
class SensorDriver:
    """Ticks sensors and executes what they ask for: `ran` lists it, `skipped` the last reason of each sensor.

    now: the time of the last tick, seconds since 1970. Ticks are a minute apart.
    """

    platform: Platform
    cursors: dict[str, str | None] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    now: float = field(default_factory=time)

    def __post_init__(self) -> None:
        self._load()

    def _load(self) -> None:
        self.definitions = build_definitions(pipelines().values())
        self.repository = self.definitions.get_repository_def()

    @property
    def settings(self) -> Settings:
        return self.platform.settings

    @property
    def ws(self) -> Workspace:
        return self.platform.ws

    @contextmanager
    def landing(self) -> Iterator[World]:
        """The same data folder, to land files in."""
        declared = sorted(pipelines().values(), key=lambda pipeline: pipeline.partitions is None)
        with closing(world(self.settings.data, *declared)) as one:
            yield one

    def restart(self) -> None:
        """The code location starts anew: definitions, connections and what the process remembers. Cursors stay."""
        workspaces._workspaces.clear()
        self._load()

    def tick(self, sensor: str) -> list[dg.RunRequest]:
        """Let a sensor tick once. Its cursor is kept as Dagster keeps it."""
        definition = self.repository.get_sensor_def(sensor)
        self.now += 60
        with (
            dg.DagsterInstance.get() as instance,
            dg.build_sensor_context(
                instance,
                self.cursors.get(sensor),
                repository_def=self.repository,
                sensor_name=sensor,
                resources={KEY: WorkspaceResource()} if sensor == ALERT_SENSOR else None,
            ) as context,
        ):
            tick_result = definition.evaluate_tick(context)
        self.cursors[sensor] = tick_result.cursor
        self.skipped[sensor] = tick_result.skip_message or ""
        return list(tick_result.run_requests or [])

    def execute(self, sensor: str, request: dg.RunRequest) -> bool:
        """Execute what a sensor asked for, with the tags that Dagster would give the run."""
        assert request.job_name is not None
        job = self.definitions.resolve_job_def(request.job_name)
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                instance=instance,
                partition_key=request.partition_key,
                asset_selection=list(request.asset_selection or []) or None,
                tags=dict(request.tags),
                raise_on_error=False,
            )
        self.ran.append((request.job_name, request.partition_key or "all", result.success))
        self.tags.append(dict(request.tags))
        return result.success

    def settle(self, *sensors: str, rounds: int = 60) -> list[Ran]:
        """Let the sensors tick in turn, and execute what they ask for, until none asks; what ran."""
        began = len(self.ran)
        names = sensors or tuple(s.name for s in self.repository.sensor_defs if s.name != ALERT_SENSOR)
        for _ in range(rounds):
            asked = False
            for name in names:
                for request in self.tick(name):
                    asked = True
                    self.execute(name, request)
            if not asked:
                return self.ran[began:]
        raise AssertionError(f"the sensors still ask after {rounds} rounds: {self.ran[-4:]}")


@contextmanager
def sensor_driver_in(folder: Path, declared: str) -> Iterator[SensorDriver]:
    """An empty platform in a folder whose sensors can tick."""
    workspaces._workspaces.clear()
    with platform_in(folder, declared) as platform, pytest.MonkeyPatch.context() as patch:
        driver = SensorDriver(platform)
        patch.setattr(ticking, "time", lambda: driver.now)
        yield driver
