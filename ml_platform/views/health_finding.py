"""The result of one health check."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The result of one health check.

    state:  `bad` keeps the platform from working, `warn` may do so later or means that something waits.
    remedy: what to do when the state is not `ok`.
    """

    name: str
    state: Literal["ok", "warn", "bad"]
    detail: str
    remedy: str = ""
