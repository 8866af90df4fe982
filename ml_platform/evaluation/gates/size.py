"""How large the bundle is."""

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator
from ml_platform.spec.gates import Size


def _measure(gate: Size, candidate: Candidate) -> list[Finding]:
    megabytes = candidate.bundle_bytes / 1e6
    detail = f"The bundle takes {megabytes:.3g} MB of {gate.mb:g}."
    return [Finding("size_mb", megabytes <= gate.mb, detail, megabytes, gate.mb)]


SIZE = Evaluator(Size, _measure)
