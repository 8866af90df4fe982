"""The data job and the training job of a pipeline. They are separate, so a failed gate never stops scoring."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps.all_steps import STEPS
from ml_platform.steps.integration_test import NAME as TEST
from ml_platform.steps.service_checks import SERVICE, STORE

JobLike = dg.JobDefinition | UnresolvedAssetJobDefinition
PIPELINE_TAG = "ml_platform/pipeline"  # of the runs of its jobs; dagster.yaml lets one of a pipeline go at a time


def pool_of(pipeline: ModelPipeline) -> str:
    """Dagster's concurrency pool of the pipeline's own assets, so that the limit holds for runs of chosen ones, too.

    Tables have none: pipelines share them, and would wait for one another.
    """
    return f"{PIPELINE_TAG}/{pipeline.name}"


def table_keys(pipeline: ModelPipeline) -> list[list[str]]:
    """The keys of the assets of its tables, which another pipeline may share."""
    return [[layer, table.name] for table in pipeline.tables for layer in ("raw", "validated", "quarantine")]


def asset_keys(pipeline: ModelPipeline) -> list[list[str]]:
    """The keys of all its assets: those of its tables, of its steps and of its service."""
    steps = ([pipeline.name, step.name] for step in STEPS)
    return [*table_keys(pipeline), *steps, *service_keys(pipeline), [pipeline.name, TEST]]


def service_keys(pipeline: ModelPipeline) -> list[list[str]]:
    """The keys of the assets that show its service."""
    return [[pipeline.name, STORE], [pipeline.name, SERVICE]]


def data_job(pipeline: ModelPipeline) -> UnresolvedAssetJobDefinition:
    """From landed files to predictions, performance and the decision."""
    tables = table_keys(pipeline)
    own = [[pipeline.name, step.name] for step in STEPS if step.job == "data"]
    return _job(pipeline, "data", [*tables, *own], "Ingest, validate, compute features, score, measure, decide.")


def train_job(pipeline: ModelPipeline) -> UnresolvedAssetJobDefinition:
    """From the training set to a judged candidate and, when it passes, the champion."""
    own = [[pipeline.name, step.name] for step in STEPS if step.job == "train"]
    return _job(pipeline, "train", own, "Train a candidate, judge it by the gates, promote it if it passes.")


def range_job_name(pipeline: ModelPipeline) -> str:
    """The name of the job that makes many partitions of the data job in one run (`range_runs`)."""
    return f"{pipeline.name}_data_range"


def _job(pipeline: ModelPipeline, kind: str, keys: list[list[str]], about: str) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{pipeline.name}_{kind}",
        selection=dg.AssetSelection.assets(*(dg.AssetKey(key) for key in keys)),
        description=about,
        tags={PIPELINE_TAG: pipeline.name},
        # A step of its own process costs seconds, and a project that this is part of may want that for its own jobs.
        executor_def=dg.in_process_executor,
    )
