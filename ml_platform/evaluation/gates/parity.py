"""Whether examples of the holdout get the same features and scores when they are replayed (S13)."""

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.naming import counted
from ml_platform.spec.gates import Parity


def _measure(gate: Parity, candidate: Candidate) -> list[Finding]:
    if candidate.parity is None:
        return no_evidence("differing", "Nothing was given to replay examples with")
    outcome = candidate.parity(gate.examples)
    if outcome.compared == 0:
        detail = f"No example was replayed: the gate fails. {outcome.detail}".strip()
        return [Finding("differing", False, detail, threshold=0.0, measured=False)]
    differing = outcome.differing
    examples = counted(outcome.compared, "replayed example of the holdout has", "replayed examples of the holdout have")
    detail = (
        f"{differing} of {examples} other features or another score than in batch; none may: "
        f"the gate {'fails' if differing else 'passes'}. {outcome.detail}"
    ).strip()
    return [Finding("differing", differing == 0, detail, float(differing), 0.0, rows=outcome.compared)]


PARITY = Evaluator(Parity, _measure, evidence=frozenset({Evidence.REPLAY}))
