"""A pipeline's own assets, one for each step, from features to champion."""

import dagster as dg

from ml_platform.lake.disk_faults import exhaustion_explained
from ml_platform.orchestration import columns
from ml_platform.orchestration.alerting import tell_alerts, warning
from ml_platform.orchestration.checks import check_specs
from ml_platform.orchestration.events import Metadata, StepContext, materialized
from ml_platform.orchestration.jobs import pool_of
from ml_platform.orchestration.links import service_links
from ml_platform.orchestration.partitions import partition_of, partitions_of
from ml_platform.orchestration.prose import step_description
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.workspaces import settings_of
from ml_platform.runtime.progress import announce, stages_heard
from ml_platform.runtime.step import Step
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.all_steps import STEPS
from ml_platform.steps.champion import ChampionStep
from ml_platform.tracking.exporting import export_behind


def pipeline_assets(pipeline: ModelPipeline) -> list[dg.AssetsDefinition]:
    """One asset a step, in the order in which they run."""
    return [step_asset(pipeline, step) for step in STEPS]


def step_asset(pipeline: ModelPipeline, step: Step) -> dg.AssetsDefinition:
    """The asset of one step."""
    key = [pipeline.name, step.name]
    table = step.table(pipeline)
    metadata: Metadata = {"dagster/table_name": f"lake.{table}"} if table else {}
    about = columns.of_step(pipeline, step)
    links = service_links(settings_of(()), pipeline.name) if step.is_served else {}

    @dg.asset(
        key=key,
        group_name=pipeline.name,
        owners=list(pipeline.owners),
        kinds=set(step.badges(pipeline)),
        deps=[dg.AssetKey(list(upstream)) for upstream in step.upstream(pipeline)],
        partitions_def=partitions_of(pipeline.partitions),
        description=step_description(pipeline, step),
        metadata={**metadata, **about, **links},
        check_specs=check_specs(key, step.checks(pipeline)),
        pool=pool_of(pipeline),
    )
    def run_step(context: dg.AssetExecutionContext, ml_platform_workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it, and refuses a parameter beside checks
        partition = partition_of(context, pipeline.partitions)
        return step_result(context, ml_platform_workspace, pipeline, step, partition, about)

    return run_step


def step_result(
    context: StepContext,
    workspace: WorkspaceResource,
    pipeline: ModelPipeline,
    step: Step,
    partition: str,
    about: Metadata,
) -> dg.MaterializeResult[None]:
    """Run the step for one partition, with its alerts; what Dagster is to know of it. `about` describes its columns."""
    key = [pipeline.name, step.name]
    announce("/".join(key), partition)
    with secret_free_errors():
        ws = workspace.workspace()
        with exhaustion_explained(ws.settings.data), stages_heard(context.log.info):
            outcome = step.run(ws, pipeline, partition, context.run.run_id)
        context.log.info(f"{'/'.join(key)} {partition}: {outcome.status}, {outcome.rows} rows")
        tell_alerts(context, ws, key, partition, outcome, step.alerts)
        if step.name == ChampionStep.name:  # the last of a training
            export_behind(ws.state, ws.blobs, pipeline.name, warning(context))
    return materialized(key, partition, outcome, ws.blobs, about)
