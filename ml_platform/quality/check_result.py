"""The result of a check."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class CheckResult:
    """One check: `value` against `threshold`, with a sentence.

    metadata:      for people.
    refused_files: how many files the check names.
    """

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    value: float | None
    threshold: float | None
    description: str
    metadata: dict[str, Any] = field(default_factory=dict)
    refused_files: int = 0
