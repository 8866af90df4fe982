"""The training plan: all that training needs besides the training set, as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ml_platform.errors import TrainingError
from ml_platform.models.protocol import TrainerVersion
from ml_platform.models.registry import trainer_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tasks import Task
from ml_platform.training.training_set import TrainingSet


@dataclass(frozen=True)
class Plan:
    """How one model is fitted.

    columns: model column → polars type, in the model's order.
    config:  the trainer's own (`ml_platform.models.protocol.Trainer.config`).
    """

    pipeline: str
    task: Task
    columns: dict[str, str]
    config: dict[str, Any]
    training_set: str
    decided_at: str
    code_version: TrainerVersion

    def to_json(self) -> dict[str, Any]:
        """As JSON values, the trainer's beside the others; the columns as pairs, because objects are sorted by name."""
        own = {name: value for name, value in asdict(self).items() if name != "config"}
        return {**self.config, **own, "columns": [list(pair) for pair in self.columns.items()]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """What `to_json` wrote."""
        names = {field.name for field in fields(cls)}
        own = {name: value for name, value in values.items() if name in names}
        config = {name: value for name, value in values.items() if name not in names}
        return cls(**{**own, "columns": dict(values["columns"]), "config": config})


def plan(pipeline: ModelPipeline, training_set: TrainingSet) -> Plan:
    """The plan that the declaration asks for. Raises TrainingError for what the trainer refuses."""
    trainer = trainer_of(pipeline.learner)
    columns = {name: str(dtype) for name, dtype in pipeline.model_columns.items()}
    if not columns:
        raise TrainingError(
            f"{pipeline.name} has no model columns.", remedy="Declare inputs or features that are numbers or text."
        )
    return Plan(
        pipeline.name,
        pipeline.task,
        columns,
        trainer.config(pipeline.learner, pipeline.task),
        training_set.digest,
        training_set.decided_at.isoformat(),
        trainer.code_version(pipeline.learner, pipeline.task),
    )
