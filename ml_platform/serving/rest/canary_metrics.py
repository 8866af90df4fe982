"""What a service counts of its canaries: workers write it, Prometheus and the supervisor read it (S58)."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ml_platform.serving.canary_bounds import CanaryFigures, Timed
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.rest.canary_request import CanaryCounts

_ROWS, _CPU, _SQUARES = (
    f"ml_platform_canary_{name}" for name in ("rows", "row_cpu_seconds", "row_cpu_seconds_squared")
)
_SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0)


class CanaryMetrics:
    """The figures of one worker, in the registry of its other ones."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Counter(
            _ROWS,
            "Rows that were the canary's, by what became of them: failed ones were answered by the champion",
            ["pipeline", "version", "outcome"],
            registry=registry,
        )
        labels = ["pipeline", "version", "role"]
        self._seconds = Histogram(
            _CPU,
            "CPU seconds of single rows while the canary of that version is set, by who answered",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self._squares = Counter(_SQUARES, "The sum of their squares", labels, registry=registry)
        self._share = Gauge(
            "ml_platform_canary_share",
            "Share of the keys that a canary answers",
            ["pipeline", "version"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._taken_back = Gauge(
            "ml_platform_canary_taken_back",
            "1 for a canary that the service took back, until another one starts or the champion changes",
            ["pipeline", "version"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._shown: set[tuple[str, str]] = set()

    def count(self, pipeline: str, version: int, counts: CanaryCounts) -> None:
        """Count what became of the rows of a request. version: of the canary."""
        named = str(version)
        for outcome, rows in (("answered", counts.answered), ("failed", counts.failed)):
            if rows:
                self._rows.labels(pipeline, named, outcome).inc(rows)
        for role, times in (("canary", counts.canary_seconds), ("champion", counts.champion_seconds)):
            if times:
                seconds = self._seconds.labels(pipeline, named, role)
                for time in times:
                    seconds.observe(time)
                self._squares.labels(pipeline, named, role).inc(sum(time * time for time in times))

    def show(self, deployments: Collection[Deployment]) -> None:
        """Show these canaries, and those that were shown before as ended."""
        present = {(one.pipeline, str(one.version)): one for one in deployments}
        for labels in self._shown | present.keys():
            terms = present[labels].terms if labels in present else None
            self._share.labels(*labels).set(terms.share if terms is not None and not terms.ended else 0)
            self._taken_back.labels(*labels).set(1 if terms is not None and terms.evidence else 0)
        self._shown |= present.keys()


def figures_of(folder: Path, pipeline: str, version: int) -> CanaryFigures:
    """What all workers whose figures are in the folder have counted of a canary, those that ended included."""
    samples: dict[tuple[str, ...], float] = defaultdict(float)
    for path in [*folder.glob("counter_*.db"), *folder.glob("histogram_*.db")]:
        for sample, labels, value in _samples(path):
            if (labels["pipeline"], labels["version"]) == (pipeline, str(version)):
                samples[sample, labels.get("outcome") or labels["role"]] += value

    def timed(role: str) -> Timed:
        rows, seconds, squares = (
            samples[sample, role] for sample in (f"{_CPU}_bucket", f"{_CPU}_sum", f"{_SQUARES}_total")
        )
        return Timed(rows, seconds, squares)

    answered, failed = (samples[f"{_ROWS}_total", outcome] for outcome in ("answered", "failed"))
    return CanaryFigures(answered, failed, timed("canary"), timed("champion"))


def _samples(path: Path) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """The figures of canaries in one file: of each bucket of a histogram the values that are in no smaller one."""
    from prometheus_client.mmap_dict import MmapedDict

    for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]  # no types
        metric, sample, labels, _ = json.loads(key)
        if metric in (_ROWS, _CPU, _SQUARES):
            yield sample, labels, value
