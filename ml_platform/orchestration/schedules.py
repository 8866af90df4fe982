"""The calendar of a pipeline in months: an alternative to its landing sensor, for who wants runs at fixed hours."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.orchestration.due import due
from ml_platform.spec.pipeline import ModelPipeline

CRON = "*/10 0-5 1 * *"  # UTC: every ten minutes of the first six hours of a month, a run each time one is due


def schedules_of(pipeline: ModelPipeline, addresses: Sequence[str] = ()) -> list[dg.ScheduleDefinition]:
    """The schedule of a pipeline with partitions; it is stopped until somebody starts it. `addresses` as for `due`."""
    if pipeline.partitions is None:
        return []

    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        answer = due(context.instance, pipeline, "data", addresses=addresses)
        return answer.request or dg.SkipReason(answer.reason)

    return [
        dg.ScheduleDefinition(
            name=f"{pipeline.name}_calendar",
            job_name=f"{pipeline.name}_data",
            cron_schedule=CRON,
            execution_timezone="UTC",
            execution_fn=evaluate,
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Runs what is due after the end of a month, whether or not the landing sensor is on. "
            "With both on, whoever asks first starts the run.",
        )
    ]
