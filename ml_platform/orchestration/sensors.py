"""The landing sensor and the decision sensor of a pipeline. Both ask the planner (`ticking`)."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.orchestration.events import printed
from ml_platform.orchestration.instigators import decision_sensor, landing_sensor
from ml_platform.orchestration.ticking import answered
from ml_platform.runtime.step import Job
from ml_platform.spec.pipeline import ModelPipeline

INTERVAL = 5  # seconds between ticks, at least


def sensors_of(pipeline: ModelPipeline, addresses: Sequence[str] = ()) -> list[dg.SensorDefinition]:
    """The landing and the decision sensor, running by default. `addresses` as for `due`."""
    return [
        _sensor(
            pipeline,
            addresses,
            landing_sensor(pipeline.name),
            "data",
            "Detects landed files and runs the affected assets: ingestion, features, predictions, performance, "
            "decision. Requests one run at a time, the oldest partition first.",
        ),
        _sensor(
            pipeline,
            addresses,
            decision_sensor(pipeline.name),
            "train",
            "Starts a training run for a decision that was triggered or manual. The run's tags hold the reason. "
            "A skipped decision starts no run.",
        ),
    ]


def _sensor(pipeline: ModelPipeline, addresses: Sequence[str], name: str, job: Job, about: str) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        answer = answered(
            context.instance, pipeline, job, name, context.cursor, printed(context.log.warning), addresses
        )
        if answer.request is not None:
            return dg.SensorResult(run_requests=[answer.request], cursor=answer.cursor)
        return dg.SensorResult(skip_reason=answer.reason, cursor=answer.cursor)

    return dg.SensorDefinition(
        name=name,
        evaluation_fn=evaluate,
        job_name=f"{pipeline.name}_{job}",
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=about,
    )
