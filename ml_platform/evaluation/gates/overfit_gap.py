"""How much better the model is on what it was trained on than on the holdout."""

import math

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.evaluation.fit_advice import fit_of, in_words
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.evaluation.metrics import UNDEFINED
from ml_platform.naming import counted
from ml_platform.spec.gates import OverfitGap
from ml_platform.spec.metrics import higher_is_better

TRAIN_ROWS = 50_000  # scored for the gap, evenly spread: the error of a ROC AUC is then below 0.003


def _measure(gate: OverfitGap, candidate: Candidate) -> list[Finding]:
    """The gap in the good direction; its interval is that of the holdout."""
    if candidate.train is None:
        return no_evidence(gate.metric, "The training part was not loaded")
    train, holdout = candidate.train.thinned(TRAIN_ROWS).scored(candidate.predictor), candidate.holdout
    sign = 1 if higher_is_better(gate.metric) else -1
    learned, measured = train.value(gate.metric), holdout.interval(gate.metric)
    if math.isnan(learned) or measured.value is None:
        where = "train" if math.isnan(learned) else "the holdout"
        detail = f"{gate.metric} is undefined on {where}: {UNDEFINED[gate.metric]}. The gate fails."
        return [Finding(gate.metric, False, detail, threshold=gate.at_most, rows=len(holdout))]
    gap = sign * (learned - measured.value)
    low, high = (
        sorted(sign * (learned - end) for end in (measured.low, measured.high))
        if measured.low is not None and measured.high is not None
        else (None, None)
    )
    passed = gap <= gate.at_most
    detail = (
        f"{gate.metric} is {learned:.4g} on {counted(len(train), 'training row')} and {measured.value:.4g} on "
        f"{counted(len(holdout), 'row')} of the holdout, a gap of {gap:.4g}; at most {gate.at_most:g} is allowed: "
        f"the gate {'passes' if passed else 'fails'}. "
        f"{in_words(fit_of(candidate.task, holdout, low, high, gate.at_most))}"
    )
    return [Finding(gate.metric, passed, detail, gap, gate.at_most, low, high, len(holdout))]


OVERFIT_GAP = Evaluator(OverfitGap, _measure, evidence=frozenset({Evidence.TRAIN}))
