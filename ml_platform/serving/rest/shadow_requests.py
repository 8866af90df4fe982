"""What a worker and the process of its challengers say to each other: answered requests, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.features.online.answering import Adjustments
from ml_platform.serving.online_store import Deployment


@dataclass(frozen=True)
class ShadowRequest:
    """A request that the champion answered. identities: of its answers, which those of the challenger share."""

    challenger: Deployment
    requested: datetime
    identities: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    adjustments: Sequence[Adjustments | None]

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.rows)


@dataclass(frozen=True)
class ShadowBatch:
    """The same of a request of many rows."""

    challenger: Deployment
    requested: datetime
    identities: pl.Series
    rows: pl.DataFrame

    @property
    def count(self) -> int:
        """How many rows it has."""
        return self.rows.height


@dataclass(frozen=True)
class ShadowOutcome:
    """How many rows of a request are in the log, and how many could not be answered or logged."""

    answered: int
    failed: int
