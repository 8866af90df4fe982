"""How an experiment compares with the champion on the same holdout, and which gates it would pass (S25, S46)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Champion, Evidence, Part
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.gates.evaluator import Turn
from ml_platform.evaluation.gates.measuring import judge
from ml_platform.evaluation.gates.no_worse_than_champion import no_common_holdout
from ml_platform.evaluation.gates.registry import evaluator_of
from ml_platform.evaluation.metrics import metric as value_of
from ml_platform.evaluation.metrics import metrics_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.gates import Gate
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.pipeline import ModelPipeline

CODE_VERSION = 1  # of how experiments are judged; part of their content key
MIN_SEGMENT_ROWS = 30  # rows of a segment that is compared
MAX_SEGMENTS = 30  # segments of a column that are compared, the largest
_QUICK = {Evidence.TRAIN, Evidence.CHAMPION, Evidence.BASELINE}

Conclusion = Literal["better", "worse", "no difference shown", "no interval", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """A metric of the experiment and of the champion on the same rows of the holdout.

    slice:      "" for all rows, else a segment such as "origin=JFK".
    difference: in the good direction of the metric, positive where the experiment is better; with `low` and `high`, the
                95 % interval of pairs. None where it has none.
    """

    metric: str
    slice: str
    rows: int
    value: float | None
    champion_value: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def conclusion(self) -> Conclusion:
        """What the interval shows."""
        if self.difference is None:
            return "not comparable"
        if self.low is None or self.high is None:
            return "no interval"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference shown"


def other_label(base: ModelPipeline, changed: ModelPipeline) -> bool:
    """Whether the two predict something else."""
    labels = [canonical([one.examples.label, one.examples.table]) for one in (base, changed)]
    return bool(labels[0] != labels[1])


def why_incomparable(candidate: Candidate, champion: Champion) -> str:
    """Why the two have no common holdout to be compared on; empty where they have one."""
    reason = no_common_holdout(candidate, champion)
    return f"there is no common holdout: {reason}" if reason else ""


def comparisons(
    pipeline: ModelPipeline, candidate: Candidate, champion: Champion, by: Sequence[str]
) -> list[Comparison]:
    """The headline metric on all rows and by segment of the columns `by`, with intervals; other metrics without."""
    holdout, headline = candidate.holdout, pipeline.headline
    theirs = champion.predictor.scores(holdout.frame if champion.holdout is None else champion.holdout)
    classes = champion.predictor.classes
    result = [_compared(headline, "", holdout, theirs, classes)]
    for column in by:
        for name, mask in _segments(holdout.frame[column], column):
            result.append(_compared(headline, name, holdout.where(mask), theirs[mask], classes))
    labels = holdout.labels.to_numpy()
    for metric in metrics_of(pipeline.task):
        if metric != headline:
            own = _number(holdout.value(metric))
            other = _number(value_of(metric, labels, theirs, classes=classes))
            result.append(Comparison(metric, "", len(holdout), own, other, _better_by(metric, own, other)))
    return result


def _compared(metric: str, name: str, part: Part, theirs: Any, classes: tuple[str, ...]) -> Comparison:
    own = _number(part.value(metric))
    other = _number(value_of(metric, part.labels.to_numpy(), theirs, classes=classes))
    if own is None or other is None:
        return Comparison(metric, name, len(part), own, other)
    difference = compared(metric, part, theirs, classes).difference
    return Comparison(metric, name, len(part), own, other, difference.value, difference.low, difference.high)


def _better_by(metric: str, own: float | None, other: float | None) -> float | None:
    if own is None or other is None:
        return None
    return own - other if higher_is_better(metric) else other - own


def _segments(column: pl.Series, name: str) -> Iterable[tuple[str, Any]]:
    """The largest segments with rows enough: name and mask. Null is one, too."""
    texts = column.cast(pl.String).fill_null("null")
    counts = texts.value_counts(sort=True).filter(pl.col("count") >= MIN_SEGMENT_ROWS).head(MAX_SEGMENTS)
    for text in sorted(counts[column.name].to_list()):
        yield f"{name}={text}", (texts == text).to_numpy()


def segments_of(pipeline: ModelPipeline, by: Sequence[str] = ()) -> list[str]:
    """The columns whose segments are compared: those of the gates, and `by`."""
    declared = (gate.sliced_by for gate in pipeline.all_gates)
    return list(dict.fromkeys([*(column for column in declared if column), *by]))


def gates_measured(pipeline: ModelPipeline, *, every: bool, champion: bool) -> list[Gate]:
    """The gates that are measured: all, or those that need the holdout, training rows and the champion only.

    `champion`: whether the experiment predicts what the champion does, so that those about both mean something.
    """
    evaluators = [(gate, evaluator_of(gate)) for gate in pipeline.all_gates]
    return [
        gate
        for gate, one in evaluators
        if (every or (one.evidence <= _QUICK and one.turn is Turn.EARLY))
        and (champion or Evidence.CHAMPION not in one.evidence)
    ]


def verdicts(pipeline: ModelPipeline, candidate: Candidate, measured: Collection[Gate]) -> list[dict[str, Any]]:
    """The outcome of every gate as JSON values: those `measured`, and the others as not measured."""
    keys, rows = {gate.key for gate in measured}, []
    for gate in pipeline.all_gates:
        if gate.key in keys:
            for one in judge(gate, candidate):
                names = ("gate", "slice", "metric", "value", "threshold", "low", "high", "rows", "detail", "severity")
                rows.append({**{name: getattr(one, name) for name in names}, "outcome": one.outcome})
        else:
            rows.append({"gate": gate.phrase, "slice": "", "severity": gate.severity, "outcome": "not measured"})
    return rows


def as_json(comparison: Comparison) -> Mapping[str, Any]:
    """A comparison with its conclusion, as JSON values."""
    return {**asdict(comparison), "conclusion": comparison.conclusion}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
