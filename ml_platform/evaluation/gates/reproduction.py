"""Whether training again gives the same bytes (S16)."""

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, Turn, no_evidence
from ml_platform.spec.gates import Reproduction


def _measure(gate: Reproduction, candidate: Candidate) -> list[Finding]:
    if candidate.reproduce is None:
        return no_evidence("identical", "Nothing was given to train it again with")
    outcome = candidate.reproduce()
    return [Finding("identical", bool(outcome.identical), outcome.detail, float(outcome.identical), 1.0)]


REPRODUCTION = Evaluator(Reproduction, _measure, evidence=frozenset({Evidence.REPRODUCTION}), turn=Turn.TRAINED_AGAIN)
