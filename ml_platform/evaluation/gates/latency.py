"""How long one row takes: rows of the holdout, one call each, in CPU time of this thread (S40).

Other work on the machine only ever adds to a timing, so the least of many short rounds counts, and one round within the
limit is enough. What is above the limit fails only when the machine was quiet, or when it is so far above that no other
work explains it.
"""

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.evaluation.candidate import Candidate, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, Turn
from ml_platform.naming import counted
from ml_platform.spec.gates import Latency

ROUNDS = 12
PAUSE = 0.05  # seconds between rounds, so that a burst of other work spoils some of them and not all
ROWS = 200  # a round; its p99 leaves out the slowest 2
WARM_UP = 20
BUDGET = 3.0  # seconds after which no further round begins, once there are LEAST
LEAST = 3

AGREE = 1.5  # the largest p99 of the rounds over the smallest, up to which they agree
PREEMPTED = 1.2  # wall time over CPU time, above which the thread waited for a core
INFLATED = 3.0  # times the limit: what shared caches and cores add to CPU time stays well below


@dataclass(frozen=True)
class Round:
    """The p99 of one round in milliseconds of CPU time; `wall` and `cpu` are what the whole round took, in seconds."""

    p99: float
    wall: float
    cpu: float


def _measure(gate: Latency, candidate: Candidate) -> list[Finding]:
    rows = _single_rows(candidate)
    if not rows:
        detail = "The holdout has no rows to score: the gate fails."
        return [Finding("p99_ms", False, detail, threshold=gate.p99_ms)]
    return [judged(gate.p99_ms, _rounds(candidate.predictor.score_row, rows), len(rows))]


def least_p99(candidate: Candidate, limit: float) -> float | None:
    """The p99 of the first of up to LEAST rounds that is within the limit, else the least; None without rows."""
    rows, p99s = _single_rows(candidate), list[float]()
    for _ in range(LEAST if rows else 0):
        p99s += [one.p99 for one in _rounds(candidate.predictor.score_row, rows, 1)]
        if p99s[-1] <= limit:
            break
    return min(p99s, default=None)


def _single_rows(candidate: Candidate) -> list[dict[str, Any]]:
    frame = candidate.holdout.frame.select(candidate.columns)
    return frame.gather_every(max(1, len(frame) // ROWS)).head(ROWS).to_dicts()


def judged(limit: float, rounds: Sequence[Round], rows: int) -> Finding:
    """The finding about these rounds: passed, failed, or not judged because the machine was busy."""
    p99s = [one.p99 for one in rounds]
    least, most = min(p99s), max(p99s)
    measured = (
        f"The p99 of {counted(rows, 'single row')} of the holdout is {least:.3g} ms of CPU time, the smallest of "
        f"{counted(len(rounds), 'round')} (the largest: {most:.3g} ms); at most {limit:g} ms are allowed"
    )
    if least <= limit:
        return Finding("p99_ms", True, f"{measured}: the gate passes.", least, limit, rows=rows)
    waited = sum(one.wall for one in rounds) / max(sum(one.cpu for one in rounds), 1e-9)
    quiet = most <= AGREE * least and waited <= PREEMPTED
    if quiet or least > INFLATED * limit:
        return Finding("p99_ms", False, f"{measured}: the gate fails.", least, limit, rows=rows)
    seen = f"the rounds took {waited:.1f} times their CPU time and differ by a factor of {most / least:.1f}"
    detail = f"Not judged: the machine is busy ({seen}). {measured}. It is measured again."
    return Finding("p99_ms", None, detail, least, limit, rows=rows, measured=False)


def _rounds(
    score: Callable[[Mapping[str, Any]], Any], rows: Sequence[Mapping[str, Any]], most: int = ROUNDS
) -> list[Round]:
    for row in rows[:WARM_UP]:
        score(row)
    rounds: list[Round] = []
    began = time.perf_counter()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for number in range(most):
            if number >= LEAST and time.perf_counter() - began > BUDGET:
                break
            if number:
                time.sleep(PAUSE)
            rounds.append(_round(score, rows))
    finally:
        if collecting:
            gc.enable()
    return rounds


def _round(score: Callable[[Mapping[str, Any]], Any], rows: Sequence[Mapping[str, Any]]) -> Round:
    taken = []
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    for row in rows:
        start = time.thread_time_ns()
        score(row)
        taken.append(time.thread_time_ns() - start)
    wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
    return Round(sorted(taken)[math.ceil(0.99 * len(taken)) - 1] / 1e6, wall / 1e9, cpu / 1e9)


LATENCY = Evaluator(Latency, _measure, turn=Turn.ALONE)
