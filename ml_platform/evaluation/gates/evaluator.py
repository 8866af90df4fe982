"""The evaluator of a gate: how it measures, on which evidence, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding
from ml_platform.spec.declared_gate import DeclaredGate

G = TypeVar("G", bound=DeclaredGate)


class Turn(IntEnum):
    """When a gate is measured; the lowest comes first."""

    EARLY = 0  # while the candidate is trained again in another process
    TRAINED_AGAIN = 1  # waits for the end of that training
    ALONE = 2  # nothing else may run: it measures time


@dataclass(frozen=True)
class Evaluator(Generic[G]):
    """How one kind of gate is measured.

    Args:
        gate: The word of the declaration that it measures.
        measure: From the declared gate and a candidate to findings: the outcome first, which has an empty
            `slice`, then what explains it. An exception is a failed verdict that may be measured again.
        evidence: What `measure` reads of the candidate besides its holdout. Only this is loaded.
        turn: When it is measured.
    """

    gate: type[G]
    measure: Callable[[G, Candidate], list[Finding]]
    evidence: frozenset[Evidence] = frozenset()
    turn: Turn = Turn.EARLY


def no_evidence(metric: str, reason: str) -> list[Finding]:
    """The findings of a gate that lacks its evidence: failed, and measured again once there is some."""
    return [Finding(metric, False, f"{reason}, so there is no evidence: the gate fails.", measured=False)]
