"""The landing sensor and the decision sensor of a pipeline. Both ask the planner (`ticking`)."""

from collections.abc import Mapping, Sequence

import dagster as dg

from ml_platform.orchestration.events import printed
from ml_platform.orchestration.instigators import decision_sensor, landing_sensor
from ml_platform.orchestration.jobs import JobLike
from ml_platform.orchestration.ticking import answered
from ml_platform.runtime.step import Job
from ml_platform.spec.pipeline import ModelPipeline

# Seconds between ticks, at least: most of what an idle daemon costs. A landed file waits for two data runs until it is
# scored, a decision for one training.
_INTERVAL: dict[Job, int] = {"data": 6, "train": 30}


def sensors_of(
    pipeline: ModelPipeline, jobs: Mapping[Job, Sequence[JobLike]], addresses: Sequence[str] = ()
) -> list[dg.SensorDefinition]:
    """The landing and the decision sensor, running by default. `jobs` are those that each may start.

    `addresses` lists all pipelines of the code location; empty: ML_PLATFORM_PIPELINES lists them.
    """
    return [
        _sensor(
            pipeline,
            jobs["data"],
            addresses,
            landing_sensor(pipeline.name),
            "data",
            "Detects landed files and runs the affected assets: ingestion, features, predictions, performance, "
            "decision. Requests one run at a time, the oldest partition first; of hours and days one for many.",
        ),
        _sensor(
            pipeline,
            jobs["train"],
            addresses,
            decision_sensor(pipeline.name),
            "train",
            "Starts a training run for a decision that was triggered or manual. The run's tags hold the reason. "
            "A skipped decision starts no run.",
        ),
    ]


def _sensor(
    pipeline: ModelPipeline, jobs: Sequence[JobLike], addresses: Sequence[str], name: str, job: Job, about: str
) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        def opened_instance() -> dg.DagsterInstance:  # Dagster opens its storages for it, and for the log
            return context.instance

        def warn(text: str) -> None:
            printed(context.log.warning)(text)

        tick = answered(opened_instance, pipeline, job, name, context.cursor, warn, addresses)
        if tick.request is not None:
            return dg.SensorResult(run_requests=[tick.request], cursor=tick.cursor)
        return dg.SensorResult(skip_reason=tick.reason, cursor=tick.cursor)

    return dg.SensorDefinition(
        name=name,
        evaluation_fn=evaluate,
        jobs=jobs,
        minimum_interval_seconds=_INTERVAL[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=about,
    )
