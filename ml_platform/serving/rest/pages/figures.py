"""The figures of a pipeline since the service started, of all workers: what `/metrics` counts, for people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric


@dataclass
class SecondsHistogram:
    """Seconds that were measured: how many times, their sum, and how many were at most each bound."""

    count: float = 0
    seconds: float = 0.0
    within: dict[float, float] = field(default_factory=dict)

    def bound(self, share: float) -> float:
        """The least bound that at least that share of requests kept; infinity where none is."""
        bounds = [bound for bound, count in self.within.items() if self.count and count >= share * self.count]
        return min(bounds, default=float("inf"))


@dataclass
class Figures:
    """Of one pipeline. predictions: by version. refused: requests by code. shadows: rows of challengers by outcome.

    canaries: rows of canaries by version and outcome.
    statuses: of looked-up features, by feature and status. ages: of the rows behind them, in seconds, by feature.
    log_bytes: not in the lake yet.
    """

    predictions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    shadows: Counter[str] = field(default_factory=Counter)
    canaries: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stages: dict[str, SecondsHistogram] = field(default_factory=lambda: defaultdict(SecondsHistogram))
    ages: dict[str, SecondsHistogram] = field(default_factory=lambda: defaultdict(SecondsHistogram))
    log_bytes: float = 0.0

    @property
    def answered(self) -> int:
        """Requests that were answered: each is logged once."""
        return round(self.stages["log"].count)


def figures(families: "Iterable[Metric]") -> Mapping[str, Figures]:
    """By pipeline; of requests that named none, by the empty name."""
    of: defaultdict[str, Figures] = defaultdict(Figures)
    for family in families:
        for sample in family.samples:
            if "pipeline" in sample.labels:
                _note(of[sample.labels["pipeline"]], sample.name, sample.labels, sample.value)
    return of


def _note(mine: Figures, name: str, labels: Mapping[str, str], value: float) -> None:
    match name:
        case "ml_platform_predictions_total":
            mine.predictions[labels["version"]] += round(value)
        case "ml_platform_unanswered_requests_total":
            mine.refused[labels["code"]] += round(value)
        case "ml_platform_shadow_predictions_total":
            mine.shadows[labels["outcome"]] += round(value)
        case "ml_platform_canary_rows_total":
            mine.canaries[labels["version"]][labels["outcome"]] += round(value)
        case "ml_platform_feature_statuses_total":
            mine.statuses[labels["feature"]][labels["status"]] += round(value)
        case "ml_platform_stage_seconds_bucket":
            mine.stages[labels["stage"]].within[float(labels["le"])] = value
        case "ml_platform_stage_seconds_count":
            mine.stages[labels["stage"]].count = value
        case "ml_platform_stage_seconds_sum":
            mine.stages[labels["stage"]].seconds = value
        case "ml_platform_feature_age_seconds_count":
            mine.ages[labels["feature"]].count = value
        case "ml_platform_feature_age_seconds_sum":
            mine.ages[labels["feature"]].seconds = value
        case "ml_platform_prediction_log_bytes":
            mine.log_bytes = value
        case _:
            pass
