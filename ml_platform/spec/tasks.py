"""What a model answers."""

from typing import Literal

Task = Literal["binary", "multiclass", "regression"]

MEDIAN = 0.5
"""The level of a model of quantiles that is its score (S64)."""
