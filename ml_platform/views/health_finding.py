"""The result of one health check."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """The result of one health check.

    state:  `bad` needs a person now; `warn` may later, or something waits that goes on by itself.
    remedy: what to do when the state is not `ok`.
    """

    name: str
    state: Severity
    detail: str
    remedy: str = ""
