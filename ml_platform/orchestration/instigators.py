"""The names by which Dagster knows the sensors and the schedule of a pipeline, and the sensor of alerts."""

from collections.abc import Iterable

from ml_platform.runtime.step_alerts import ALERT_SENSOR

__all__ = ["ALERT_SENSOR", "decision_sensor", "instigators", "landing_sensor", "schedule", "sensors"]


def landing_sensor(pipeline: str) -> str:
    """The sensor that requests data runs."""
    return f"{pipeline}_landing"


def decision_sensor(pipeline: str) -> str:
    """The sensor that requests trainings."""
    return f"{pipeline}_decisions"


def schedule(pipeline: str) -> str:
    """The schedule that requests data runs in place of the landing sensor."""
    return f"{pipeline}_calendar"


def sensors(pipelines: Iterable[str]) -> set[str]:
    """All sensors of these pipelines.

    >>> sorted(sensors(["churn"]))
    ['churn_decisions', 'churn_landing', 'ml_platform_alerts']
    """
    return {ALERT_SENSOR, *(name(pipeline) for pipeline in pipelines for name in (landing_sensor, decision_sensor))}


def instigators(pipelines: Iterable[str]) -> set[str]:
    """All sensors and schedules of these pipelines."""
    names = list(pipelines)
    return sensors(names) | {schedule(name) for name in names}
