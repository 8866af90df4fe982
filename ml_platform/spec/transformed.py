"""A trainer that sees transformed columns: what a pipeline's trainer and transforms are together."""

from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.selection import Selected
from ml_platform.spec.tasks import Task
from ml_platform.spec.transforms import Transform
from ml_platform.spec.vocabulary import Several, word


@word
class Transformed(TrainerWord):
    """The trainer of a pipeline with transforms, made by `ModelPipeline.learner`.

    Args:
        trainer: What is fitted on the transformed columns.
        transforms: In the order in which they are applied.
        at: The column of the prediction time where the split is by time, so that folds are in its order.
        group: The column whose values stay in one fold each.
        seed: Of the folds, where they are not by time.
    """

    trainer: DeclaredTrainer | Selected
    transforms: Several[Transform]
    at: str | None = None
    group: str | None = None
    seed: int = 0

    def check(self, task: Task, where: str) -> None:
        """As the trainer."""
        self.trainer.check(task, where)
