"""Gates about the bundle and about what is done with it again: size, reproduction, parity."""

from ml_platform.spec.gates import Parity, Reproduction, Size
from ml_platform_tests.evaluation.candidates import Outcome, outcome


def test_size_counts_millions_of_bytes() -> None:
    assert outcome(Size(mb=1.5)).passed is True
    verdict = outcome(Size(mb=1.4))
    assert verdict.passed is False and (verdict.value, verdict.threshold) == (1.5, 1.4)


def test_reproduction_and_parity_tell_what_they_were_told() -> None:
    assert outcome(Reproduction(), reproduce=lambda: Outcome(identical=True)).passed is True
    assert outcome(Reproduction(), reproduce=lambda: Outcome(identical=False)).passed is False
    asked = []
    verdict = outcome(Parity(examples=7), parity=lambda n: asked.append(n) or Outcome(compared=7))
    assert verdict.passed is True and verdict.rows == 7 and asked == [7]
    verdict = outcome(Parity(), parity=lambda n: Outcome(compared=50, differing=2, detail="Row 3: temp."))
    assert verdict.passed is False and verdict.detail.startswith("2 of 50 replayed examples")


def test_evidence_that_is_not_there_is_a_failed_gate_that_may_be_judged_again() -> None:
    missing = [outcome(Reproduction()), outcome(Parity()), outcome(Parity(), parity=lambda n: Outcome(compared=0))]
    assert [(v.passed, v.measured) for v in missing] == [(False, False)] * 3
