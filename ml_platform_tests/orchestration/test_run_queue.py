"""Dagster's queue under the project's own dagster.yaml: one run of a pipeline at a time, whoever asked for it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from ml_platform.discovery import find
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform_tests.orchestration.dagster_dev import CONFIG
from ml_platform_tests.orchestration.dagster_platform import platform_in

QUEUED, STARTED = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with platform_in(tmp_path, "ml_platform_tests.declarations.trips_and_churn"):
        (tmp_path / "dagster" / "dagster.yaml").write_bytes(CONFIG.read_bytes())
        with dg.DagsterInstance.get() as opened:
            yield opened


def _created(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *assets: str) -> str:
    """A run of chosen assets as the UI makes it, or of the data job of trips; its id."""
    definitions = build_definitions([find("trip_delay"), find("churn")])
    if not assets:
        job = definitions.resolve_job_def("trip_delay_data")
        tags = {PIPELINE_TAG: "trip_delay"}
        return instance.create_run_for_job(job, status=status, tags=tags, remote_job_origin=_origin(job)).run_id
    keys = frozenset(dg.AssetKey(asset.split("/")) for asset in assets)
    job = definitions.resolve_implicit_job_def_def_for_assets(list(keys))
    assert job is not None
    chosen = instance.create_run_for_job(job, status=status, asset_selection=keys, remote_job_origin=_origin(job))
    return chosen.run_id


def _origin(job: dg.JobDefinition) -> RemoteJobOrigin:
    location = GrpcServerCodeLocationOrigin(host="town", port=1, location_name="trips")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name)


def _next(instance: dg.DagsterInstance) -> set[str]:
    """The runs that the daemon would take from the queue now. Its first look notes the limits of new pools."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
    return {run.run_id for run in daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)}


def test_a_run_of_chosen_assets_waits_for_the_run_of_its_pipeline_and_not_for_that_of_another(
    instance: dg.DagsterInstance,
) -> None:
    _created(instance, STARTED)
    _created(instance, QUEUED, "trip_delay/report")
    other = _created(instance, QUEUED, "churn/report")
    assert _next(instance) == {other}


def test_a_run_of_a_job_waits_for_one_of_chosen_assets(instance: dg.DagsterInstance) -> None:
    _created(instance, STARTED, "trip_delay/report", "trip_delay/drift")
    _created(instance, QUEUED)
    assert _next(instance) == set()


def test_of_two_runs_of_one_pipeline_the_first_is_taken_from_the_queue(instance: dg.DagsterInstance) -> None:
    first = _created(instance, QUEUED, "trip_delay/report")
    _created(instance, QUEUED, "trip_delay/drift")
    assert _next(instance) == {first}


def test_a_run_of_shared_tables_waits_for_nobody(instance: dg.DagsterInstance) -> None:
    _created(instance, STARTED)
    tables = _created(instance, QUEUED, "raw/trips")
    assert _next(instance) == {tables}
