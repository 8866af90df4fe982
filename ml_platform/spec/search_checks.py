"""What every word of a search checks: its times and its metric."""

from typing import Any

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.metrics import METRICS
from ml_platform.spec.tasks import Task

MOST_TRIALS = 10_000


def check_times_and_metric(searched: Any) -> None:
    """Refuse a `budget` or `trial_limit` that is no span, and an unknown `metric`."""
    name = type(searched).__name__
    for parameter in ("budget", "trial_limit"):
        span = getattr(searched, parameter)
        if span is not None:
            microseconds(span, f"{name}({parameter}=…)")
    if searched.metric is not None and searched.metric not in METRICS:
        raise DeclarationError(
            name, f"metric={searched.metric!r} is unknown", remedy=f"Use one of {', '.join(METRICS)}."
        )


def check_metric_of_task(metric: str | None, task: Task, where: str) -> None:
    """Refuse a metric of other tasks."""
    if metric is not None and task not in METRICS[metric][0]:
        fitting = ", ".join(name for name, (tasks, *_) in METRICS.items() if task in tasks)
        raise DeclarationError(
            where, f"metric={metric!r} is no metric of a {task} task", remedy=f"Use one of {fitting}."
        )
