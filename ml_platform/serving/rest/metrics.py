"""What Prometheus reads of a service."""

import os
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ml_platform.serving.rest import metrics_folder
from ml_platform.serving.rest.canary_metrics import CanaryMetrics

_MEMORY = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_AGES = (60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0)
_SCORES = tuple(step / 10 for step in range(1, 11))


class _ManyValuesHistogram(Histogram):
    """A histogram that takes many values at once, as so many calls of `observe` would."""

    def observe_many(self, values: npt.NDArray[np.float64]) -> None:
        """Observe each of the values; none of them is NaN."""
        buckets = np.searchsorted(np.asarray(self._upper_bounds), values)
        counts = np.bincount(buckets, minlength=len(self._upper_bounds)).tolist()
        self._sum.inc(float(values.sum()))
        for bucket, count in zip(self._buckets, counts, strict=True):
            bucket.inc(count)


class Metrics:
    """Requests, latency by stage, versions, scores, errors and the backlog of the log. Safe for threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of = cache(lambda metric, *labels: metric.labels(*labels))  # looking them up takes longer than counting
        self._predictions = Counter(
            "ml_platform_predictions", "Predictions answered", ["pipeline", "version"], registry=self.registry
        )
        self._stages = Histogram(
            "ml_platform_stage_seconds",
            "Seconds of a request by stage",
            ["pipeline", "stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._scores = _ManyValuesHistogram(
            "ml_platform_score", "Scores", ["pipeline", "version"], buckets=_SCORES, registry=self.registry
        )
        self._statuses = Counter(
            "ml_platform_feature_statuses",
            "Looked-up features by status",
            ["pipeline", "feature", "status"],
            registry=self.registry,
        )
        self._ages = _ManyValuesHistogram(
            "ml_platform_feature_age_seconds",
            "Age of the rows behind looked-up features that may be stale, at the prediction time",
            ["pipeline", "feature"],
            buckets=_AGES,
            registry=self.registry,
        )
        self._errors = Counter(
            "ml_platform_unanswered_requests",
            "Requests that were not answered",
            ["pipeline", "code"],
            registry=self.registry,
        )
        self._events = Counter(
            "ml_platform_events", "Rows of tables that were posted", ["table", "outcome"], registry=self.registry
        )
        self._shadows = Counter(
            "ml_platform_shadow_predictions",
            "Rows for the challenger beside the champion, by what became of them",
            ["pipeline", "version", "outcome"],
            registry=self.registry,
        )
        self.canaries = CanaryMetrics(self.registry)
        self.event_backlog_bytes = Gauge(
            "ml_platform_event_backlog_bytes",
            "Bytes of events that are not landed yet",
            ["table"],
            multiprocess_mode="mostrecent",
            registry=self.registry,
        )
        self.prediction_log_bytes = Gauge(
            "ml_platform_prediction_log_bytes",
            "Bytes of the log not in the lake yet",
            ["pipeline"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self._memory = Gauge(
            "ml_platform_worker_resident_bytes",
            "Resident memory of a worker",
            registry=self.registry,
            multiprocess_mode="liveall",
        )

    def memory(self) -> None:
        """Note how much memory this process has now; call it from time to time."""
        pages = int(_MEMORY.read_text().split()[1])
        self._memory.set(pages * _PAGE)

    def of_request(self, pipeline: str, answers: Sequence[Mapping[str, Any]], seconds: Mapping[str, float]) -> None:
        """Count what one request was answered with; `seconds` by stage."""
        for version, rows in Counts(answer["version"] for answer in answers).items():
            self._of(self._predictions, pipeline, str(version)).inc(rows)
        for stage, taken in seconds.items():
            self.stage(pipeline, stage, taken)
        for answer in answers:
            self._of(self._scores, pipeline, str(answer["version"])).observe(answer["score"])
            for feature, status in answer["statuses"].items():
                self._of(self._statuses, pipeline, feature, status).inc()
            for feature, age in answer["ages"].items():
                self._of(self._ages, pipeline, feature).observe(age)

    def of_many(
        self, pipeline: str, version: int, scores: npt.NDArray[np.float64], statuses: Mapping[str, Mapping[str, int]]
    ) -> None:
        """As `of_request`, of many rows of one version: their scores, and how many have each status, by feature."""
        named = str(version)
        self._of(self._predictions, pipeline, named).inc(len(scores))
        self._of(self._scores, pipeline, named).observe_many(scores)
        for feature, counts in statuses.items():
            for status, count in counts.items():
                self._of(self._statuses, pipeline, feature, status).inc(count)

    def ages_of_many(self, pipeline: str, ages: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Ages of features of many rows, in seconds, by feature; none of them is NaN."""
        for feature, values in ages.items():
            self._of(self._ages, pipeline, feature).observe_many(values)

    def stage(self, pipeline: str, name: str, seconds: float) -> None:
        """Seconds that one stage of a request took."""
        self._of(self._stages, pipeline, name).observe(seconds)

    def events(self, table: str, *, taken: int = 0, repeated: int = 0, refused: int = 0) -> None:
        """Count the rows of a request by what became of them."""
        for outcome, rows in (("taken", taken), ("repeated", repeated), ("refused", refused)):
            if rows:
                self._of(self._events, table, outcome).inc(rows)

    def shadows(self, pipeline: str, version: int, outcome: str, rows: int) -> None:
        """Count rows of a challenger: answered, failed, or dropped because too many waited."""
        if rows:
            self._of(self._shadows, pipeline, str(version), outcome).inc(rows)

    def error(self, pipeline: str, code: int) -> None:
        """Count a request that was refused or failed."""
        self._of(self._errors, pipeline, str(code)).inc()

    def page(self) -> bytes:
        """All figures in Prometheus' text format: those of all workers, where this process is one of several."""
        return generate_latest(self._registry_of_all())

    def families(self) -> list[Metric]:
        """The same as values."""
        return list(self._registry_of_all().collect())

    def _registry_of_all(self) -> CollectorRegistry:
        if not metrics_folder.is_used():
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types
        return registry
