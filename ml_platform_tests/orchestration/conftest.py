"""One platform with a Dagster instance of its own, on which both pipelines ran."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.discovery import find
from ml_platform.orchestration.resources import workspace_for
from ml_platform.orchestration.runner import Run, Runner
from ml_platform.settings import Settings
from ml_platform.steps.plan import Planner
from ml_platform_tests.steps.world import World, world

DECLARED = "ml_platform_tests.orchestration.declared"


@dataclass
class Platform:
    """What ran: the Dagster runs, and every step in the order in which it announced itself."""

    settings: Settings
    world: World
    runs: list[Run] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)

    def run(self, name: str, through: str | None = None) -> list[Run]:
        """Bring a pipeline up to date as `ml-platform run` does; the runs that were launched."""
        declared, began = find(name, self.settings), len(self.runs)
        runner = Runner(declared, self.settings, lambda asset, partition: self.steps.append((asset, partition)))
        for wanted in Planner(workspace_for(self.settings), declared).work(through):
            self.runs.append(runner.run(wanted.job, wanted.partition, wanted.only))
        return self.runs[began:]


@pytest.fixture(scope="package")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("platform")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PLATFORM_DATA", str(folder / "data"))
        patch.setenv("ML_PLATFORM_PIPELINES", f'["{DECLARED}"]')
        patch.setenv("ML_PLATFORM_THREADS", "2")
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        (folder / "dagster").mkdir()
        yield folder


@pytest.fixture(scope="package")
def platform(environment: Path) -> Iterator[Platform]:
    """Churn was trained and kept out; trips ran through January."""
    settings = Settings()
    made = Platform(settings, world(settings.data, find("trip_delay"), find("churn")))
    made.world.land_trips("2024-01", "2024-02")
    made.world.land_churn()
    made.world.close()
    made.run("churn")
    made.run("trip_delay", "2024-01")
    yield made
    workspace_for(settings).lake.close()


@pytest.fixture
def instance(platform: Platform) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as found:
        yield found
