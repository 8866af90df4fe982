"""Measuring a candidate by its gates: every gate gives verdicts, whatever happens inside it."""

from collections.abc import Iterable
from dataclasses import replace

from ml_platform import interrupts
from ml_platform.disk_errors import is_of_the_machine
from ml_platform.errors import LakeError, ProcessKilled, StateError
from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.registry import evaluator_of, turn_of
from ml_platform.lake.catalog_faults import is_lost_connection
from ml_platform.redaction import without_secrets
from ml_platform.spec.gates import Gate
from ml_platform.state import verdicts
from ml_platform.state.database import State
from ml_platform.state.verdicts import Verdict


def evaluate(state: State, run_id: str, gates: Iterable[Gate], candidate: Candidate) -> list[Verdict]:
    """Judge what was not measured before for this version, store it, and give all verdicts on `gates` (S23).

    A gate that raised an error, or could not be measured, is judged again; a measured one is not. Its verdict is
    recorded once more when the declared severity has changed.
    """
    gates = list(gates)
    unmeasured = waiting(state, gates, candidate.pipeline, candidate.version)
    judged = {gate.key: judge(gate, candidate) for gate in sorted(unmeasured, key=turn_of)}
    new = [verdict for gate in unmeasured for verdict in judged[gate.key]]
    severities = {gate.key: gate.severity for gate in gates}
    stored = verdicts.of(state, candidate.pipeline, candidate.version)
    new += [
        replace(v, severity=severities[v.gate_key])
        for v in stored
        if v.measured and severities.get(v.gate_key, v.severity) != v.severity
    ]
    if new:
        verdicts.record(state, new, run_id)
    return [v for v in verdicts.of(state, candidate.pipeline, candidate.version) if v.gate_key in severities]


def measure_again(state: State, run_id: str, gates: Iterable[Gate], candidate: Candidate) -> list[Verdict]:
    """Judge these gates anew, whatever was measured before, and give the new verdicts. Older ones stay on record."""
    judged = [verdict for gate in sorted(gates, key=turn_of) for verdict in judge(gate, candidate)]
    return verdicts.record(state, judged, run_id, anew=True)


def waiting(state: State, gates: Iterable[Gate], pipeline: str, version: int) -> list[Gate]:
    """The gates that were not measured for this version yet."""
    stored = verdicts.of(state, pipeline, version)
    measured = {v.gate_key for v in stored if v.slice == "" and v.measured}
    return [gate for gate in gates if gate.key not in measured]


def judge(gate: Gate, candidate: Candidate) -> list[Verdict]:
    """The verdicts of one gate: its outcome first (empty `slice`), then what explains it.

    Never raises: a gate that breaks is a failed verdict that was not measured, with the reason. One that the machine
    stopped (no memory, no disk, a killed process, a lost database) is not judged, and measured again (S40).
    """
    try:
        findings = evaluator_of(gate).measure(gate, candidate)
    except Exception as error:
        interrupts.stop_if_arrived()
        problem = f"{type(error).__name__}: {without_secrets(str(error))}"
        if _of_the_machine(error):
            stopped = f"Not judged: the machine stopped it ({problem}). It is measured again."
            return _verdicts(gate, candidate, [Finding(gate.judged_metric or "", None, stopped, measured=False)])
        reason = f"The gate raised an error, which counts as failed: {problem}"
        findings = [Finding(gate.judged_metric or "", False, reason, measured=False)]
    return _verdicts(gate, candidate, findings)


def _of_the_machine(error: Exception) -> bool:
    """Whether memory, disk or processes ran out, or the database was lost: no fault of the model or the gate.

    Only an error of a database or the system says that a database was lost: any other may quote such words.
    """
    import duckdb
    from sqlalchemy.exc import DBAPIError

    of_a_database = isinstance(error, duckdb.Error | DBAPIError | OSError | LakeError | StateError)
    return isinstance(error, ProcessKilled) or is_of_the_machine(error) or (of_a_database and is_lost_connection(error))


def _verdicts(gate: Gate, candidate: Candidate, findings: Iterable[Finding]) -> list[Verdict]:
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
            severity=gate.severity,
        )
        for f in findings
    ]
