"""The workspace as a Dagster resource: one lake connection a process."""

from functools import lru_cache

import dagster as dg

from ml_platform.discovery import pipelines, slices_of
from ml_platform.settings import Settings
from ml_platform.steps.workspace import Workspace


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """Opens the lake that the settings (environment) name; the connection is kept for the process.

    dagster-duckdb's resource is not its base: that opens and closes a .duckdb file around every
    use, and a DuckLake attach costs 0.2 s and wants its extensions loaded first.
    """

    def workspace(self) -> Workspace:
        """The process's workspace."""
        return workspace_for(Settings())


@lru_cache(maxsize=4)
def _opened(settings_json: str) -> Workspace:
    settings = Settings()
    return Workspace.open(settings, slices_of(pipelines(settings).values()))


def workspace_for(settings: Settings) -> Workspace:
    """The workspace of these settings, opened once a process."""
    return _opened(settings.model_dump_json())
