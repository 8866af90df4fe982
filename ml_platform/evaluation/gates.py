"""Judging a candidate by its gates: every gate gives verdicts, whatever happens inside it."""

from collections.abc import Iterable
from typing import assert_never

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.champion import no_worse_than_champion
from ml_platform.evaluation.floors import ceiling, floor, overfit_gap
from ml_platform.evaluation.latency import latency
from ml_platform.evaluation.leakage import leakage
from ml_platform.spec.gate_wording import gate_key, in_words
from ml_platform.spec.gates import (
    AtLeast,
    AtMost,
    Gate,
    Latency,
    Leakage,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Reproduction,
    Size,
)
from ml_platform.state import verdicts
from ml_platform.state.database import State
from ml_platform.state.verdicts import Verdict


def evaluate(state: State, run_id: str, gates: Iterable[Gate], candidate: Candidate) -> list[Verdict]:
    """Judge what was not measured before for this version, store it, and give all verdicts on `gates` (S23).

    A gate that broke before is judged again; one that was measured never is.
    """
    gates = list(gates)
    left = waiting(state, gates, candidate.pipeline, candidate.version)
    judged = {gate_key(gate): judge(gate, candidate) for gate in sorted(left, key=turn)}
    new = [v for gate in left for v in judged[gate_key(gate)]]
    if new:
        verdicts.record(state, new, run_id)
    keys = {gate_key(gate) for gate in gates}
    return [v for v in verdicts.of(state, candidate.pipeline, candidate.version) if v.gate_key in keys]


def waiting(state: State, gates: Iterable[Gate], pipeline: str, version: int) -> list[Gate]:
    """The gates that were not measured for this version yet."""
    stored = verdicts.of(state, pipeline, version)
    measured = {v.gate_key for v in stored if v.slice == "" and v.measured}
    return [gate for gate in gates if gate_key(gate) not in measured]


def turn(gate: Gate) -> int:
    """0: beside a training that goes on in another process; 1: waits for its end; 2: while nothing else runs."""
    return {Reproduction: 1, Latency: 2}.get(type(gate), 0)


def judge(gate: Gate, candidate: Candidate) -> list[Verdict]:
    """The verdicts of one gate: its outcome first (empty `slice`), then what explains it.

    Never raises: a gate that breaks is a failed verdict that was not measured, with the reason.
    """
    try:
        findings = _measure(gate, candidate)
    except Exception as error:
        reason = f"The gate broke, which counts as failed: {type(error).__name__}: {error}"
        findings = [Finding(getattr(gate, "metric", ""), False, reason, measured=False)]
    words, key = in_words(gate), gate_key(gate)
    return [
        Verdict(
            candidate.pipeline,
            candidate.version,
            f.about or words,
            key,
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


def _measure(gate: Gate, candidate: Candidate) -> list[Finding]:
    match gate:
        case AtLeast():
            return floor(gate, candidate.holdout)
        case AtMost():
            return ceiling(gate, candidate.holdout)
        case NoWorseThanChampion():
            return [no_worse_than_champion(gate, candidate)]
        case OverfitGap():
            return [overfit_gap(gate, candidate)]
        case Latency():
            return [latency(gate, candidate)]
        case Size():
            return [_size(gate, candidate)]
        case Leakage():
            return leakage(gate, candidate)
        case Reproduction():
            return [_reproduction(candidate)]
        case Parity():
            return [_parity(gate, candidate)]
    assert_never(gate)


def _size(gate: Size, candidate: Candidate) -> Finding:
    size = candidate.bundle_bytes / 1e6
    detail = f"The bundle takes {size:.3g} MB of {gate.mb:g}."
    return Finding("size_mb", size <= gate.mb, detail, size, gate.mb)


def _reproduction(candidate: Candidate) -> Finding:
    if candidate.reproduce is None:
        detail = "Nothing was given to train it again with, so there is no evidence."
        return Finding("identical", False, detail, measured=False)
    outcome = candidate.reproduce()
    return Finding("identical", bool(outcome.identical), outcome.detail, float(outcome.identical), 1.0)


def _parity(gate: Parity, candidate: Candidate) -> Finding:
    if candidate.parity is None:
        detail = "Nothing was given to replay examples with, so there is no evidence."
        return Finding("differing", False, detail, measured=False)
    outcome = candidate.parity(gate.examples)
    if outcome.compared == 0:
        detail = f"No example was replayed. {outcome.detail}".strip()
        return Finding("differing", False, detail, threshold=0.0, measured=False)
    detail = f"{outcome.differing} of {outcome.compared} replayed examples differ. {outcome.detail}".strip()
    return Finding("differing", outcome.differing == 0, detail, float(outcome.differing), 0.0, rows=outcome.compared)
