"""A platform with a Dagster instance of its own, run as `ml-platform run` does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ml_platform.discovery import find
from ml_platform.orchestration.runner import Run, Runner
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.runtime.ranges import divided
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.steps.all_steps import planner
from ml_platform_tests.dagster_home import make_home


@dataclass
class Platform:
    """What ran: the Dagster runs, and every step in the order in which it announced itself."""

    settings: Settings
    runs: list[Run] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ws(self) -> Workspace:
        return workspace_for(self.settings)

    def run(self, name: str, through: str | None = None) -> list[Run]:
        """Bring a pipeline up to date; the runs that were launched."""
        declared, began = find(name, self.settings), len(self.runs)
        with Runner(declared, self.settings, lambda asset, partition: self.steps.append((asset, partition))) as runner:
            for work in divided(declared, planner(self.ws, declared).work(through)):
                self.runs.append(runner.run_all(work))
        return self.runs[began:]


@contextmanager
def platform_in(folder: Path, *declared: str, config: str = "") -> Iterator[Platform]:
    """An empty platform in a folder, with the pipelines of the modules `declared`; the environment says so too.

    Dagster's home is beside its data. `config`: YAML for its `dagster.yaml`, beside the storages that users get.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PLATFORM_DATA", str(folder / "data"))
        patch.setenv("ML_PLATFORM_PIPELINES", json.dumps(declared))
        patch.setenv("ML_PLATFORM_THREADS", "1")
        patch.setenv("DAGSTER_HOME", str(make_home(folder / "dagster", config)))
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        platform = Platform(Settings())
        yield platform
        platform.ws.close()
