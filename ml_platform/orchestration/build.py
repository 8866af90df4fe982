"""Every pipeline → Definitions."""

from collections.abc import Iterable, Sequence

import dagster as dg

from ml_platform.discovery import check_shared_tables, slices_of
from ml_platform.orchestration.alerting import alert_sensor
from ml_platform.orchestration.assets.pipeline import pipeline_assets
from ml_platform.orchestration.assets.serving import serving_assets
from ml_platform.orchestration.assets.tables import table_assets
from ml_platform.orchestration.jobs import JobLike, data_job, train_job
from ml_platform.orchestration.range_runs import range_job
from ml_platform.orchestration.resources import KEY, WorkspaceResource
from ml_platform.orchestration.schedules import schedules_of
from ml_platform.orchestration.sensors import sensors_of
from ml_platform.runtime.step import Job
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.tables import references_of


def build_definitions(pipelines: Iterable[ModelPipeline]) -> dg.Definitions:
    """The Definitions of every configured pipeline. A table that several pipelines share is ingested once (S34)."""
    declared = list(pipelines)
    return dg.Definitions.merge(
        shared_definitions(declared, WorkspaceResource()),
        *(pipeline_definitions(pipeline) for pipeline in declared),
        dg.Definitions(executor=dg.in_process_executor),
    )


def shared_definitions(declared: list[ModelPipeline], workspace: WorkspaceResource) -> dg.Definitions:
    """Definitions that pipelines of a code location share: the assets of all tables and the alert sensor."""
    tables, slices = check_shared_tables(declared), slices_of(declared)
    owners = {
        name: sorted({o for p in declared if any(t.name == name for t in p.tables) for o in p.owners})
        for name in tables
    }
    assets: list[dg.AssetsDefinition] = []
    for name, table in tables.items():
        assets += table_assets(table, slices[name], owners[name], references_of(declared, name))
    return dg.Definitions(assets=assets, sensors=[alert_sensor(declared)], resources={KEY: workspace})


def pipeline_definitions(pipeline: ModelPipeline, addresses: Sequence[str] = ()) -> dg.Definitions:
    """A pipeline's own assets, jobs, sensors and schedules. They need the resource of `shared_definitions`.

    `addresses` lists all pipelines of the code location; empty: ML_PLATFORM_PIPELINES lists them.
    """
    many = range_job(pipeline, addresses)
    jobs: dict[Job, list[JobLike]] = {
        "data": [data_job(pipeline), *([many] if many else [])],
        "train": [train_job(pipeline)],
    }
    return dg.Definitions(
        assets=[*pipeline_assets(pipeline), *serving_assets(pipeline)],
        jobs=[*jobs["data"], *jobs["train"]],
        sensors=sensors_of(pipeline, jobs, addresses),
        schedules=schedules_of(pipeline, addresses),
    )
