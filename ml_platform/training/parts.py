"""The parts of a training set: which are judged, and what each holds."""

from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.models.registry import trainer_of
from ml_platform.naming import counted
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.training.splits import PARTS


def judged_parts(pipeline: ModelPipeline) -> tuple[str, ...]:
    """The parts whose labels must differ: those that are learnt from or judged on."""
    return PARTS if trainer_of(pipeline.learner).uses_validation(pipeline.learner) else ("train", "holdout")


class PartsSummary:
    """What the parts hold, gathered while the rows pass."""

    def __init__(self, pipeline: ModelPipeline) -> None:
        self.at = pipeline.examples.at
        self.task = pipeline.task
        self.judged = judged_parts(pipeline)
        self.rows = 0
        self.parts = dict.fromkeys(PARTS, 0)
        self._times: dict[str, tuple[datetime, datetime]] = {}
        self._answers: dict[str, set[Any]] = {part: set() for part in PARTS}
        self._floats = [n for n, t in pipeline.model_columns.items() if t.is_float()]
        self._infinite: dict[str, int] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows of a frame with the columns of a training set."""
        self.rows += frame.height
        for (part,), rows in frame.group_by("_part"):
            name = str(part)
            self.parts[name] += rows.height
            if len(self._answers[name]) < 2:
                self._answers[name].update(rows["_label"].unique().head(2).to_list())
            if self.at:
                self._extend(name, rows[self.at].min(), rows[self.at].max())
        for name in self._floats:
            if count := int(frame[name].is_infinite().sum()):
                self._infinite[name] = self._infinite.get(name, 0) + count

    def _extend(self, part: str, low: Any, high: Any) -> None:
        span = self._times.get(part, (low, high))
        self._times[part] = (min(span[0], low), max(span[1], high))

    @property
    def bounds(self) -> dict[str, tuple[str, str]]:
        """Least and greatest prediction time of each part."""
        return {part: (low.isoformat(), high.isoformat()) for part, (low, high) in sorted(self._times.items())}

    def check(self) -> None:
        """Raise TrainingError for what cannot be learnt from or judged on."""
        if self._infinite:
            listed = ", ".join(f"{name} ({counted(count, 'row')})" for name, count in sorted(self._infinite.items()))
            raise TrainingError(
                f"Features are infinite: {listed}.",
                remedy="Guard divisions in Derived, or reject the rows in the contract.",
            )
        empty = [part for part in PARTS if not self.parts[part]]
        if empty:
            counts = ", ".join(f"{part} {count}" for part, count in self.parts.items())
            raise TrainingError(
                f"No labelled example is in the part {' and '.join(empty)} (rows: {counts}).",
                remedy="Wait for labels, or change Split(validation=…, holdout=…).",
            )
        single = [part for part in self.judged if len(self._answers[part]) == 1]
        if single:
            what = "one value" if self.task == "regression" else "one class"
            listed = ", ".join(f"{part} (always {next(iter(self._answers[part]))!r})" for part in single)
            raise TrainingError(
                f"The label has {what} in {listed}.",
                remedy="Check the label expression, or widen that part in Split(…).",
            )
