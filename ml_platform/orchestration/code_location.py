"""The code location that runs of the command line belong to, so that the UI lists them under Jobs and in its timeline.

Dagster's pages list a run by the origin of its job: the name of the code location and of the repository in it. A run
that is executed in this process has none, unless it is given one.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_code_location.py`
exercises: `RemoteRepositoryOrigin`, `WorkspaceOpts` with `workspace_opts_to_load_target`, and that
`execute_in_process` creates its run by `DagsterInstance.create_run_for_job`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dagster as dg
from click import UsageError
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import CodeLocationOrigin, RemoteRepositoryOrigin

from ml_platform.orchestration.instigators import landing_sensor

_MODULE = "ml_platform.definitions"


def repository_origin(instance: dg.DagsterInstance, pipeline: str) -> RemoteRepositoryOrigin | None:
    """The repository that shows the pipeline's jobs.

    The one whose sensors ticked last on this instance; before the first tick, the one that `dagster dev` would load in
    the working directory. None when neither can be told.
    """
    sensors = [
        state
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        if state.name == landing_sensor(pipeline)
    ]
    if sensors:
        newest = max(sensors, key=lambda state: getattr(state.instigator_data, "last_tick_timestamp", None) or 0.0)
        return newest.origin.repository_origin
    origins = _of_working_directory()
    ours = [one for one in origins if getattr(one.loadable_target_origin, "module_name", "") == _MODULE] or origins
    return RemoteRepositoryOrigin(ours[0], SINGLETON_REPOSITORY_NAME) if len(ours) == 1 else None


@contextmanager
def runs_belong_to(instance: dg.DagsterInstance, origin: RemoteRepositoryOrigin | None, job: str) -> Iterator[None]:
    """Runs of the job that are created in the body belong to the repository."""
    if origin is None:
        yield
        return
    create = partial(instance.create_run_for_job, remote_job_origin=origin.get_job_origin(job))
    instance.create_run_for_job = create  # type: ignore[method-assign]  # `execute_in_process` takes no origin
    try:
        yield
    finally:
        del instance.create_run_for_job


def _of_working_directory() -> list[CodeLocationOrigin]:
    """The code locations of the workspace.yaml or pyproject.toml here; none without."""
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
    from dagster_shared.cli import WorkspaceOpts

    try:
        return list(workspace_opts_to_load_target(WorkspaceOpts()).create_origins())
    except UsageError:
        return []
