"""What a model answers."""

from typing import Literal

Task = Literal["binary", "multiclass", "regression"]
