"""The schedule of a partitioned pipeline: an alternative to its landing sensor, for runs at fixed hours."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.orchestration.events import printed
from ml_platform.orchestration.instigators import schedule
from ml_platform.orchestration.ticking import answered
from ml_platform.spec.partitions import Daily, Hourly, Monthly, Partitions, Weekly
from ml_platform.spec.pipeline import ModelPipeline

# UTC: every ten minutes of the first six hours after a partition, or of each hour; a run each time one is due.
CRON: dict[type[Partitions], str] = {
    Monthly: "*/10 0-5 1 * *",
    Weekly: "*/10 0-5 * * 1",
    Daily: "*/10 0-5 * * *",
    Hourly: "*/10 * * * *",
}


def schedules_of(pipeline: ModelPipeline, addresses: Sequence[str] = ()) -> list[dg.ScheduleDefinition]:
    """The schedule of a partitioned pipeline, stopped by default. `addresses` as for `due`."""
    if pipeline.partitions is None:
        return []

    name = schedule(pipeline.name)

    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        warn = printed(context.log.warning)
        # A schedule has one job, so each partition is a run of its own.
        tick = answered(lambda: context.instance, pipeline, "data", name, None, warn, addresses, many=False)
        return tick.request or dg.SkipReason(tick.reason)

    return [
        dg.ScheduleDefinition(
            name=name,
            job_name=f"{pipeline.name}_data",
            cron_schedule=CRON[type(pipeline.partitions)],
            execution_timezone="UTC",
            execution_fn=evaluate,
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Requests due runs after the end of a partition, whether or not the landing sensor is on. "
            "With both on, the first to tick requests the run.",
        )
    ]
