"""How long one row takes: rows of the holdout, one call each (S23)."""

import gc
import math
import time

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, Turn
from ml_platform.spec.gates import Latency

ROUNDS = 5
ROWS = 500  # a round; its p99 leaves out the slowest 5
WARM_UP = 20


def _measure(gate: Latency, candidate: Candidate) -> list[Finding]:
    """The smallest p99 of the rounds: what the model takes, without what else the machine was doing."""
    frame = candidate.holdout.frame.select(candidate.columns)
    if frame.is_empty():
        return [Finding("p99_ms", False, "The holdout has no rows to score.", threshold=gate.p99_ms)]
    step = max(1, len(frame) // ROWS)
    rows = frame.gather_every(step).head(ROWS).to_dicts()
    score = candidate.predictor.score_row
    for row in rows[:WARM_UP]:
        score(row)
    rounds = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            taken = []
            for row in rows:
                start = time.perf_counter_ns()
                score(row)
                taken.append(time.perf_counter_ns() - start)
            rounds.append(sorted(taken)[math.ceil(0.99 * len(taken)) - 1] / 1e6)
    finally:
        if collecting:
            gc.enable()
    p99 = min(rounds)
    detail = (
        f"The p99 of {len(rows)} single rows is {p99:.3g} ms, the smallest of {ROUNDS} rounds "
        f"(the largest: {max(rounds):.3g} ms); allowed are {gate.p99_ms:g} ms."
    )
    return [Finding("p99_ms", p99 <= gate.p99_ms, detail, p99, gate.p99_ms, rows=len(rows))]


LATENCY = Evaluator(Latency, _measure, turn=Turn.ALONE)
