"""How large the bundle is."""

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator
from ml_platform.spec.gates import Size


def _measure(gate: Size, candidate: Candidate) -> list[Finding]:
    megabytes = candidate.bundle_bytes / 1e6
    passed = megabytes <= gate.mb
    detail = (
        f"The bundle takes {megabytes:.3g} MB; at most {gate.mb:g} MB are allowed: "
        f"the gate {'passes' if passed else 'fails'}."
    )
    return [Finding("size_mb", passed, detail, megabytes, gate.mb)]


SIZE = Evaluator(Size, _measure)
