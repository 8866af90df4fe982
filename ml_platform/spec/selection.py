"""`Select`: which columns the trainer may see, chosen on training and validation examples (S61)."""

from typing import Literal

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import word


@word
class Select:
    """Columns of the model that are worth having. The others are dropped before it is fitted.

    Args:
        by: "importance" fits the trainer on the training part and takes what its model looks at, in shares (0 to 1).
            "permutation" shuffles each column in the validation part and takes by how much the loss grows, as a share
            of the loss. "correlation" drops a number that says the same as one before it: by the absolute Pearson
            correlation of their ranks on the training part.
        keep: So many columns, those with the greatest number. Not for "correlation".
        threshold: Columns whose number is above it; for "correlation" a column is dropped whose number is above it.

    Raises:
        DeclarationError: For both `keep` and `threshold` or none of them, and a number out of range.

    >>> Select(by="permutation", keep=20).keep
    20
    """

    by: Literal["importance", "permutation", "correlation"]
    keep: int | None = Field(default=None, ge=1)
    threshold: float | None = Field(default=None, ge=0, le=1)

    def __post_init__(self) -> None:
        if (self.keep is None) == (self.threshold is None):
            raise DeclarationError("Select", "it needs one of keep= and threshold=", remedy="Give exactly one.")
        if self.by == "correlation" and self.threshold is None:
            raise DeclarationError("Select", "by='correlation' with keep=", remedy="Give threshold=, such as 0.95.")


@word
class Selected(TrainerWord):
    """The trainer of a pipeline with a selection, made by `ModelPipeline.learner`.

    Args:
        trainer: What is fitted on the columns that are kept.
        select: Which these are.
    """

    trainer: DeclaredTrainer
    select: Select

    def check(self, task: Task, where: str) -> None:
        """As the trainer."""
        self.trainer.check(task, where)
