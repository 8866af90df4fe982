"""The workspace as a Dagster resource, with one lake connection per process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field

from ml_platform.orchestration.alive import marked
from ml_platform.orchestration.private_home import make_dagster_home_private
from ml_platform.orchestration.publication import publish_run
from ml_platform.orchestration.workspaces import settings_of, workspace_for
from ml_platform.runtime.workspace import Workspace
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.settings import Settings

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
        try:
            with marked(self.settings(), context.run.run_id):
                yield self
                with secret_free_errors():
                    publish_run(self.workspace())
        finally:
            if home := os.environ.get("DAGSTER_HOME"):
                make_dagster_home_private(Path(home), context.run.run_id)

    def settings(self) -> Settings:
        """Those of the environment, with the pipelines of this code location."""
        return settings_of(self.pipelines)

    def workspace(self) -> Workspace:
        """The workspace of this process."""
        return workspace_for(self.settings())
