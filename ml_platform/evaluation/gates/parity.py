"""Whether examples of the holdout get the same features when they are replayed one at a time (S13)."""

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.spec.gates import Parity


def _measure(gate: Parity, candidate: Candidate) -> list[Finding]:
    if candidate.parity is None:
        return no_evidence("differing", "Nothing was given to replay examples with")
    outcome = candidate.parity(gate.examples)
    if outcome.compared == 0:
        detail = f"No example was replayed. {outcome.detail}".strip()
        return [Finding("differing", False, detail, threshold=0.0, measured=False)]
    detail = f"{outcome.differing} of {outcome.compared} replayed examples differ. {outcome.detail}".strip()
    differing = outcome.differing
    return [Finding("differing", differing == 0, detail, float(differing), 0.0, rows=outcome.compared)]


PARITY = Evaluator(Parity, _measure, evidence=frozenset({Evidence.REPLAY}))
