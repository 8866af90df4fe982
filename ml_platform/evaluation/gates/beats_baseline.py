"""Shown better than a linear model of the same rows and columns, which is fitted for this comparison and not kept."""

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.evaluation.metrics import UNDEFINED
from ml_platform.evaluation.metrics import metric as value_of
from ml_platform.spec.gates import BeatsBaseline


def _measure(gate: BeatsBaseline, candidate: Candidate) -> list[Finding]:
    """Passes when the lower bound of (candidate - baseline), in the good direction, is above the margin."""
    metric, holdout = gate.metric, candidate.holdout
    if candidate.baseline is None:
        return no_evidence(metric, "The training part cannot be read")
    baseline = candidate.baseline(gate.baseline)
    scores, classes = baseline.scores(holdout.frame), baseline.classes
    comparison = compared(metric, holdout, scores, classes)
    difference = comparison.difference
    if difference.value is None or difference.low is None or difference.high is None:
        detail = (
            f"{metric} cannot be compared with a linear baseline on the holdout: {UNDEFINED[metric]}. The gate fails."
        )
        return [Finding(metric, False, detail, difference.value, gate.margin, rows=len(holdout))]
    passed = difference.low > gate.margin
    ours, theirs = holdout.value(metric), value_of(metric, holdout.labels.to_numpy(), scores, classes=classes)
    rival = f"that of a linear baseline of the same training rows and columns: {ours:.4g} against {theirs:.4g}"
    detail = f"{comparison.differs(metric, rival)}. {comparison.beats(gate.margin)}"
    return [
        Finding(metric, passed, detail, difference.value, gate.margin, difference.low, difference.high, len(holdout))
    ]


BEATS_BASELINE = Evaluator(BeatsBaseline, _measure, evidence=frozenset({Evidence.BASELINE}))
