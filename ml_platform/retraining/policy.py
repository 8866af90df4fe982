"""The decision to train: pure, so that it can be replayed over history."""

from dataclasses import dataclass
from typing import Literal

from ml_platform.spec.training import Retrain


@dataclass(frozen=True)
class Evidence:
    """What the policy looks at: partitions since the last fired decision (None: never fired), and labels.

    `lacking` says why no training could be made of the labels there are; empty when one could.
    """

    since_fired: int | None
    labelled: int
    lacking: str


@dataclass(frozen=True)
class Decision:
    """Fired or held back, with the reason in words."""

    outcome: Literal["fired", "held back"]
    reason: str

    @property
    def fired(self) -> bool:
        """Whether to train."""
        return self.outcome == "fired"


def decide(policy: Retrain, evidence: Evidence) -> Decision:
    """Train when it is due by the calendar and enough labels are known."""
    if evidence.lacking:
        return Decision("held back", f"{evidence.lacking}.")
    if evidence.since_fired is None:
        return Decision("fired", f"{evidence.labelled} labels are known and no earlier partition was trained on.")
    if evidence.since_fired < policy.every:
        return Decision("held back", f"Trained {evidence.since_fired} partitions ago; due every {policy.every}.")
    return Decision("fired", f"Due: trained {evidence.since_fired} partitions ago, every {policy.every} is declared.")
