"""The workspace as a Dagster resource, with one lake connection per process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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


# One workspace for each settings, catalog and kind of access, kept for the process.
_workspaces: dict[tuple[object, ...], Workspace] = {}


def _kept(settings: Settings, access: str, catalog: tuple[int, int], opening: Callable[..., Workspace]) -> Workspace:
    secret = hash(settings.catalog.get_secret_value())  # the JSON below masks it
    key = (settings.model_dump_json(), secret, access, catalog)
    if key not in _workspaces:
        _workspaces[key] = opening(settings, slices_of(pipelines(settings).values()))
    return _workspaces[key]


def workspace_for(settings: Settings) -> Workspace:
    """The workspace of these settings, opened once a process."""
    return _kept(settings, "writing", (0, 0), Workspace.open)


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
    return _kept(settings, "reading", catalog, Workspace.open_for_reading)
