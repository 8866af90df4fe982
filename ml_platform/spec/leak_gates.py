"""The gates against leaks of the answer: by what columns tell, and by what they are made of (S24, S41)."""

from collections.abc import Mapping

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_gate import DeclaredGate, Severity
from ml_platform.spec.vocabulary import word


@word
class Leakage(DeclaredGate):
    """Neither a single feature nor the model is too good to be true on the holdout.

    This gate is always judged; declare it to change the bounds. They apply to ROC AUC, or for regression to R². Of
    several classes a feature is judged by the class that it tells best, and the model by macro F1. A feature alone
    from .85 on, one with half of the importance, and one that alone is better than the model pass with a warning.

    Args:
        feature: The bound of each feature alone.
        model: The bound of the model's scores.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    >>> Leakage(feature=0.9).phrase
    'no feature alone reaches 0.9 and the model stays below 0.99'
    """

    feature: float = 0.95
    model: float = 0.99
    severity: Severity = "block"

    why = "What predicts too well usually knows the answer: a column written after the fact."

    @property
    def phrase(self) -> str:
        """With both bounds."""
        return f"no feature alone reaches {self.feature:g} and the model stays below {self.model:g}"


@word
class Provenance(DeclaredGate):
    """No input and no clock is made of what the label is made of (S41).

    A candidate fails when `clean`, run again with one raw column drawn anew, moves an input together with the label; or
    when the declared known_at is made of nothing but what is known at the prediction. What only looks suspicious gives
    a warning and fails nothing. This gate is always judged; declare it to acknowledge a column.

    Args:
        acknowledged: Column, or table of a `Lookup` → why it is no leak. The model card shows the reason.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an acknowledgement without a reason.

    >>> Provenance(acknowledged={"counted_at": "An hour is counted when it is over."}).phrase
    'no input or clock is made of the outcome (acknowledged: counted_at)'
    """

    acknowledged: Mapping[str, str] = Field(default_factory=dict)
    severity: Severity = "block"

    why = (
        "Raw columns are drawn anew, one at a time, and `clean` runs again: what moves together with the label knows "
        "the answer."
    )

    def __post_init__(self) -> None:
        for name, reason in self.acknowledged.items():
            if not reason.strip():
                raise DeclarationError(
                    "Provenance", f"acknowledged={{{name!r}: …}} has no reason", remedy="Say why it is no leak."
                )

    @property
    def phrase(self) -> str:
        """With the columns that are acknowledged."""
        names = f" (acknowledged: {', '.join(sorted(self.acknowledged))})" if self.acknowledged else ""
        return f"no input or clock is made of the outcome{names}"

    @property
    def columns_named(self) -> tuple[str, ...]:
        """The columns that are acknowledged."""
        return tuple(self.acknowledged)
