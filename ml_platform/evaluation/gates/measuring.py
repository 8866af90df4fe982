"""Measuring a candidate by its gates: every gate gives verdicts, whatever happens inside it."""

from collections.abc import Iterable

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.registry import evaluator_of, turn_of
from ml_platform.spec.gates import Gate
from ml_platform.state import verdicts
from ml_platform.state.database import State
from ml_platform.state.verdicts import Verdict


def evaluate(state: State, run_id: str, gates: Iterable[Gate], candidate: Candidate) -> list[Verdict]:
    """Judge what was not measured before for this version, store it, and give all verdicts on `gates` (S23).

    A gate that raised an error is judged again; a measured one never is.
    """
    gates = list(gates)
    unmeasured = waiting(state, gates, candidate.pipeline, candidate.version)
    judged = {gate.key: judge(gate, candidate) for gate in sorted(unmeasured, key=turn_of)}
    new = [verdict for gate in unmeasured for verdict in judged[gate.key]]
    if new:
        verdicts.record(state, new, run_id)
    keys = {gate.key for gate in gates}
    return [v for v in verdicts.of(state, candidate.pipeline, candidate.version) if v.gate_key in keys]


def waiting(state: State, gates: Iterable[Gate], pipeline: str, version: int) -> list[Gate]:
    """The gates that were not measured for this version yet."""
    stored = verdicts.of(state, pipeline, version)
    measured = {v.gate_key for v in stored if v.slice == "" and v.measured}
    return [gate for gate in gates if gate.key not in measured]


def judge(gate: Gate, candidate: Candidate) -> list[Verdict]:
    """The verdicts of one gate: its outcome first (empty `slice`), then what explains it.

    Never raises: a gate that breaks is a failed verdict that was not measured, with the reason.
    """
    try:
        findings = evaluator_of(gate).measure(gate, candidate)
    except Exception as error:
        reason = f"The gate raised an error, which counts as failed: {type(error).__name__}: {error}"
        findings = [Finding(gate.judged_metric or "", False, reason, measured=False)]
    return [
        Verdict(
            candidate.pipeline,
            candidate.version,
            f.about or gate.phrase,
            gate.key,
            f.metric,
            f.slice,
            f.value,
            f.threshold,
            f.low,
            f.high,
            f.passed,
            f.rows,
            f.detail,
            candidate.snapshot,
            f.measured,
        )
        for f in findings
    ]
