"""How long one row takes, and that what else the machine does decides nothing (S40)."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ml_platform.evaluation.gates import latency
from ml_platform.evaluation.gates.latency import LEAST, ROUNDS, ROWS, WARM_UP, Round, judged
from ml_platform.spec.gates import Latency
from ml_platform_tests.evaluation.candidates import Column, outcome


class Working(Column):
    """A model that computes for so many milliseconds of CPU time a row."""

    milliseconds = 0.08

    def score_row(self, row: Any) -> Any:
        end = time.thread_time_ns() + int(self.milliseconds * 1e6)
        while time.thread_time_ns() < end:
            pass
        return super().score_row(row)


def _burn(until: float) -> None:
    while time.monotonic() < until:
        sum(range(1000))


@contextmanager
def busy_machine(processes: int) -> Iterator[None]:
    """As many processes as asked compute while the context is open."""
    context = multiprocessing.get_context("spawn")
    burning = [context.Process(target=_burn, args=(time.monotonic() + 60,)) for _ in range(processes)]
    for one in burning:
        one.start()
    try:
        yield
    finally:
        for one in burning:
            one.kill()
            one.join()


def test_latency_is_the_smallest_p99_of_many_rounds() -> None:
    class Counting(Column):
        calls = 0

        def score_row(self, row: Any) -> Any:
            Counting.calls += 1
            return super().score_row(row)

    verdict = outcome(Latency(p99_ms=50), predictor=Counting())
    assert verdict.passed is True and verdict.value is not None and 0 < verdict.value < 50
    assert Counting.calls == ROUNDS * ROWS + WARM_UP


def test_a_slow_model_is_measured_in_a_few_rounds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "BUDGET", 0.0)
    verdict = outcome(Latency(p99_ms=1e-9))
    assert verdict.passed is False and f"the smallest of {LEAST} rounds" in verdict.detail


@pytest.mark.parametrize("limit", [5.0, 0.1])
def test_a_fast_model_never_fails_on_a_busy_machine(limit: float) -> None:
    with busy_machine(6):
        verdict = outcome(Latency(p99_ms=limit), predictor=Working())
    assert verdict.passed is not False
    assert verdict.passed is True or (verdict.waits and verdict.detail.startswith("Not judged: the machine is busy"))
    if limit == 5.0:
        assert verdict.passed is True, "no other work makes 0.08 ms of CPU time 5"


QUIET = [Round(0.2, wall=0.021, cpu=0.020), Round(0.21, wall=0.02, cpu=0.02)]


def test_one_round_within_the_limit_is_enough() -> None:
    finding = judged(0.1, [Round(7.4, wall=9.0, cpu=1.0), Round(0.08, wall=0.1, cpu=0.1)], 200)
    assert (finding.passed, finding.value, finding.measured) == (True, 0.08, True)


def test_on_a_quiet_machine_what_is_above_the_limit_fails() -> None:
    finding = judged(0.1, QUIET, 200)
    assert (finding.passed, finding.value, finding.measured) == (False, 0.2, True)


@pytest.mark.parametrize(
    ("rounds", "why"),
    [
        ([Round(0.2, 0.06, 0.02), Round(0.21, 0.02, 0.02)], "2.0 times their CPU time"),
        ([Round(0.2, 0.02, 0.02), Round(0.5, 0.05, 0.05)], "differ by a factor of 2.5"),
    ],
)
def test_where_the_thread_waited_or_rounds_disagree_nothing_is_judged(rounds: list[Round], why: str) -> None:
    finding = judged(0.1, rounds, 200)
    assert (finding.passed, finding.measured) == (None, False)
    assert finding.detail.startswith("Not judged: the machine is busy") and why in finding.detail


def test_what_no_other_work_explains_fails_on_a_busy_machine_too() -> None:
    busy = [Round(0.31, 0.9, 0.1), Round(0.9, 0.9, 0.1)]
    assert judged(0.1, busy, 200).passed is False
    assert judged(0.11, busy, 200).passed is None
