"""The workspace as a Dagster resource, with one lake connection per process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Self

import dagster as dg
from pydantic import Field

from ml_platform.discovery import pipelines, slices_of
from ml_platform.orchestration.alive import marked
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import database
from ml_platform.state.publishing import publish

KEY = "ml_platform_workspace"  # of the resource: a project that these definitions are part of has resources of its own


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """Opens the lake named by the settings. The connection is kept for the process.

    dagster-duckdb's resource is not its base: that opens and closes a .duckdb file around every
    use, and a DuckLake attach costs 0.2 s and wants its extensions loaded first.

    `pipelines` are the addresses of all pipelines of the code location, where it names them
    itself; empty: the environment does.
    """

    pipelines: list[str] = Field(default=[])

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # type: ignore[override]  # the value is the resource, which opens the lake when asked
        """Hold the run's lock file during the run. At its end, publish its records to the lake."""
        if context.run is None:
            yield self
            return
        with marked(self.settings(), context.run.run_id):
            yield self
            publish(self.workspace())

    def settings(self) -> Settings:
        """Those of the environment, with the pipelines of this code location."""
        return settings_of(self.pipelines)

    def workspace(self) -> Workspace:
        """The workspace of this process."""
        return workspace_for(self.settings())


def settings_of(addresses: Sequence[str]) -> Settings:
    """The settings of the environment. `addresses`, if any, replace the configured pipelines."""
    return Settings(pipelines=list(addresses)) if addresses else Settings()


@lru_cache(maxsize=4)
def _opened(settings_json: str, addresses: tuple[str, ...]) -> Workspace:
    settings = settings_of(addresses)
    return Workspace.open(settings, slices_of(pipelines(settings).values()))


def workspace_for(settings: Settings) -> Workspace:
    """The workspace of these settings, opened once a process."""
    return _opened(settings.model_dump_json(), tuple(settings.pipelines))


@lru_cache(maxsize=4)
def _opened_for_reading(settings_json: str, addresses: tuple[str, ...], catalog: tuple[int, int]) -> Workspace:
    settings = settings_of(addresses)
    return Workspace.open_for_reading(settings, slices_of(pipelines(settings).values()))


def reading_workspace_for(settings: Settings) -> Workspace | None:
    """The read-only workspace, opened once per process; None before the first run.

    A lake that was removed and created again is another file, and is opened again.
    """
    catalog = (0, 0)
    if not settings.catalog.get_secret_value():
        try:
            status = (settings.lake / "catalog.sqlite").stat()
        except FileNotFoundError:
            return None
        catalog = (status.st_dev, status.st_ino)
    elif not database.exists(settings):
        return None
    return _opened_for_reading(settings.model_dump_json(), tuple(settings.pipelines), catalog)
