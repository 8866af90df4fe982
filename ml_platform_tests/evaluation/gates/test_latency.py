"""How long one row takes (S23)."""

from typing import Any

from ml_platform.spec.gates import Latency
from ml_platform_tests.evaluation.candidates import Column, outcome


def test_latency_is_the_smallest_p99_of_its_rounds() -> None:
    class Counting(Column):
        calls = 0

        def score_row(self, row: Any) -> Any:
            Counting.calls += 1
            return super().score_row(row)

    verdict = outcome(Latency(p99_ms=50), predictor=Counting())
    assert verdict.passed is True and verdict.value is not None and 0 < verdict.value < 50
    assert Counting.calls == 5 * 500 + 20
    assert outcome(Latency(p99_ms=1e-9)).passed is False
