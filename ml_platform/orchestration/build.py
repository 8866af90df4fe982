"""Every pipeline → Definitions."""

from collections.abc import Iterable

import dagster as dg

from ml_platform.discovery import check_shared_tables, slices_of
from ml_platform.orchestration.alerting import alert_sensor
from ml_platform.orchestration.assets.pipeline import pipeline_assets
from ml_platform.orchestration.assets.tables import table_assets
from ml_platform.orchestration.jobs import data_job, train_job
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.schedules import schedules_of
from ml_platform.orchestration.sensors import sensors_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.tables import references_of


def build_definitions(pipelines: Iterable[ModelPipeline]) -> dg.Definitions:
    """All that Dagster knows of the pipelines; a table that several share is ingested once (S34)."""
    declared = list(pipelines)
    tables, slices = check_shared_tables(declared), slices_of(declared)
    owners = {
        name: sorted({o for p in declared if any(t.name == name for t in p.tables) for o in p.owners})
        for name in tables
    }
    assets: list[dg.AssetsDefinition] = []
    for name, table in tables.items():
        assets += table_assets(table, slices[name], owners[name], references_of(declared, name))
    for pipeline in declared:
        assets += pipeline_assets(pipeline)
    return dg.Definitions(
        assets=assets,
        jobs=[job(pipeline) for pipeline in declared for job in (data_job, train_job)],
        sensors=[sensor for pipeline in declared for sensor in sensors_of(pipeline)] + [alert_sensor(declared)],
        schedules=[schedule for pipeline in declared for schedule in schedules_of(pipeline)],
        resources={"workspace": WorkspaceResource()},
        executor=dg.in_process_executor,
    )
