"""Which runs that failed or were killed left work that is still to be done."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from ml_platform.discovery import slices_of
from ml_platform.errors import PlatformError
from ml_platform.runtime.planner import Planner
from ml_platform.runtime.step import Job
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.steps.all_steps import planner


def undone(
    settings: Settings, pipelines: Sequence[ModelPipeline], pipeline: ModelPipeline, runs: Sequence[dg.RunRecord]
) -> list[dg.RunRecord]:
    """The runs of the pipeline of which an asset is still stale, and was made by no run since they began.

    All of them where the lake cannot be read: nobody can tell then. `pipelines` are all that are declared.
    """
    if not runs:
        return []
    try:
        with closing(Workspace.open_for_reading(settings, slices_of(pipelines))) as ws:
            return [run for run in runs if _is_undone(planner(ws, pipeline), run)]
    except PlatformError:
        return list(runs)


def _is_undone(plan: Planner, record: dg.RunRecord) -> bool:
    run, began = record.dagster_run, record.create_timestamp.replace(tzinfo=UTC)
    job: Job = "train" if run.job_name == f"{plan.pipeline.name}_train" else "data"
    partition = run.tags.get(PARTITION_NAME_TAG, WHOLE)
    chosen = {tuple(key.path) for key in run.asset_selection or ()}
    remaining = [key for key in plan.remaining(job, partition) if not chosen or tuple(key) in chosen]
    return any(not _made_since(plan, "/".join(key), partition, began) for key in remaining)


def _made_since(plan: Planner, asset: str, partition: str, moment: datetime) -> bool:
    """Whether the asset was made since: what made it stale again is no fault of a run before."""
    records = (ledger.latest_of(plan.ws.state, asset, one) for one in {partition, WHOLE})
    return any(record is not None and record.recorded_at > moment for record in records)
