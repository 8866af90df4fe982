"""No regression: candidate and champion on the same rows of the holdout (S25)."""

from ml_platform.evaluation.candidate import Candidate, Champion, Evidence, Finding
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.gates.evaluator import Evaluator
from ml_platform.evaluation.metrics import UNDEFINED
from ml_platform.spec.gates import NoWorseThanChampion


def _measure(gate: NoWorseThanChampion, candidate: Candidate) -> list[Finding]:
    """Passes what is shown no worse by more than the tolerance, fails what is shown worse, and settles the rest.

    Without a champion it passes and says so; without a holdout that neither was trained on it fails.
    """
    metric, bound, holdout, champion = gate.metric, 0.0 - gate.tolerance, candidate.holdout, candidate.champion
    rows = len(holdout)
    if champion is None:
        detail = "There is no champion yet, so nothing to be worse than: the gate passes."
        return [Finding(metric, True, detail, threshold=bound, rows=rows)]
    reason = no_common_holdout(candidate, champion)
    if reason:
        return [
            Finding(metric, False, f"There is no common holdout: {reason}. The gate fails.", threshold=bound, rows=rows)
        ]
    frame = holdout.frame if champion.holdout is None else champion.holdout
    comparison = compared(metric, holdout, champion.predictor.scores(frame), champion.predictor.classes)
    difference = comparison.difference
    name = f"{candidate.pipeline}@{champion.version}"
    if difference.value is None or difference.low is None or difference.high is None:
        detail = f"{metric} cannot be compared with {name} on the holdout: {UNDEFINED[metric]}. The gate fails."
        return [Finding(metric, False, detail, difference.value, bound, rows=rows)]
    conclusion = comparison.conclusion(gate.tolerance)
    within = difference.value >= bound
    settled = {"point": within, "pass": True, "fail": False}[gate.undecided]
    passed = {"shown no worse": True, "shown worse": False, "undecided": settled}[conclusion]
    by = {
        "point": f"so the difference itself decides, which is {'within' if within else 'beyond'} what is allowed",
        "pass": 'the declaration passes what is left open (undecided="pass")',
        "fail": 'the declaration fails what is left open (undecided="fail")',
    }[gate.undecided]
    detail = (
        f"{comparison.measured(metric, f'that of {name}', gate.tolerance)} "
        f"{comparison.follows(gate.tolerance, passed=passed, settled=by)}"
    )
    return [Finding(metric, passed, detail, difference.value, bound, difference.low, difference.high, rows)]


def no_common_holdout(candidate: Candidate, champion: Champion) -> str:
    """Why some holdout example may have trained one of the two; empty when none can have."""
    if len(candidate.holdout) == 0:
        return "the candidate's is empty"
    if candidate.cut_off is None or champion.cut_off is None or candidate.holdout_start is None:
        # Without time the parts are a seeded hash of the key or group: the same split keeps them apart.
        return "" if candidate.split == champion.split else "the two were split in different ways"
    for who, cut_off in (("candidate", candidate.cut_off), ("champion", champion.cut_off)):
        if candidate.holdout_start < cut_off:
            return f"the holdout begins at {candidate.holdout_start} and the {who} was trained until {cut_off}"
    return ""


NO_WORSE_THAN_CHAMPION = Evaluator(NoWorseThanChampion, _measure, evidence=frozenset({Evidence.CHAMPION}))
