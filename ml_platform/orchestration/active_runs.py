"""Finds the run that works on a pipeline now, whoever started it: a sensor, a person in the UI, another terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_platform.discovery import pipelines
from ml_platform.orchestration.jobs import PIPELINE_TAG, table_keys
from ml_platform.orchestration.killed_runs import IN_FLIGHT, end_if_gone, end_if_killed
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline

# Without a daemon a queued run never begins; while a run of the pipeline is in progress, the daemon begins no other.
BEGUN = [status for status in IN_FLIGHT if status != dg.DagsterRunStatus.QUEUED]
_LONG = timedelta(minutes=15)  # in flight: worth a look


def active_run(
    instance: dg.DagsterInstance,
    pipeline: ModelPipeline,
    settings: Settings,
    statuses: Sequence[dg.DagsterRunStatus] = IN_FLIGHT,
) -> str:
    """Which run makes assets of the pipeline or ingests its tables, as a sentence; empty when there is none.

    Reports runs whose process is gone as ended, so that they keep nobody waiting.
    """
    own = {dg.AssetKey(key) for key in table_keys(pipeline)}
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(statuses))):
        run = record.dagster_run
        chosen = run.asset_selection or frozenset()
        other = run.tags.get(PIPELINE_TAG)
        mine = other == pipeline.name or any(key.path[0] == pipeline.name for key in chosen)
        touched = chosen & own if chosen else _shares_tables(pipeline, other, settings)
        if not mine and not touched:
            end_if_killed(instance, settings, record)  # it would take a place in Dagster's queue for ever
            continue
        if end_if_gone(instance, settings, record):
            continue
        state = f"{run.job_name} is {run.status.value.lower().replace('_', ' ')} (run {run.run_id})."
        since = datetime.now(UTC) - record.create_timestamp.replace(tzinfo=UTC)
        return state if since < _LONG else f"{state} If its process is gone, terminate the run in the UI."
    return ""


def _shares_tables(pipeline: ModelPipeline, other: str | None, settings: Settings) -> bool:
    """Whether a full run of another pipeline's job ingests tables of this pipeline."""
    declared = pipelines(settings).get(other or "")
    return declared is not None and bool({t.name for t in declared.tables} & {t.name for t in pipeline.tables})
