"""No regression: candidate and champion on the same holdout, resampled together (S25)."""

from ml_platform.evaluation.bootstrap import Interval, paired_difference
from ml_platform.evaluation.candidate import Candidate, Champion, Finding
from ml_platform.evaluation.metrics import UNDEFINED, statistic
from ml_platform.spec.gates import NoWorseThanChampion, higher_is_better


def no_worse_than_champion(gate: NoWorseThanChampion, candidate: Candidate) -> Finding:
    """Passes when the lower bound of (candidate - champion), in the good direction, is above -tolerance.

    Without a champion it passes and says so; without a holdout that neither was trained on it fails.
    """
    metric, bound, rows = gate.metric, -gate.tolerance, len(candidate.holdout)
    champion = candidate.champion
    if champion is None:
        detail = "There is no champion yet, so nothing to be worse than."
        return Finding(metric, True, detail, threshold=bound, rows=rows)
    reason = _no_common_holdout(candidate, champion)
    if reason:
        return Finding(metric, False, f"There is no common holdout: {reason}.", threshold=bound, rows=rows)
    found = _difference(metric, candidate, champion)
    name = f"{candidate.pipeline}@{champion.version}"
    if found.value is None or found.low is None:
        detail = f"{metric} cannot be compared with {name} on the holdout: {UNDEFINED[metric]}."
        return Finding(metric, False, detail, found.value, bound, rows=rows)
    passed = found.low > bound
    better = "" if higher_is_better(metric) else " (turned round: less is better)"
    detail = (
        f"{metric} against {name}{better}: {found.value:+.4g} (95 % interval {found.low:+.4g} to {found.high:+.4g}) "
        f"on {rows} rows; the lower end is {'' if passed else 'not '}above {bound:g}."
    )
    return Finding(metric, passed, detail, found.value, bound, found.low, found.high, rows)


def _no_common_holdout(candidate: Candidate, champion: Champion) -> str:
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


def _difference(metric: str, candidate: Candidate, champion: Champion) -> Interval:
    holdout = candidate.holdout
    frame = holdout.frame if champion.holdout is None else champion.holdout
    # The champion's scores are in the order of its own classes, which may be others.
    theirs = statistic(metric, holdout.labels.to_numpy(), champion.predictor.scores(frame), champion.predictor.classes)
    ours = holdout.statistic(metric)
    if higher_is_better(metric):
        return paired_difference(ours, theirs, len(holdout))
    return paired_difference(theirs, ours, len(holdout))
