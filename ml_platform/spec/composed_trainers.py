"""Trainers that are made of trainers: a choice among several, and one whose probabilities are calibrated."""

from typing import Literal

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.spec.quantiles import Quantiles
from ml_platform.spec.searched_trainers import AnySearched
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import Several, word


@word
class Choose(TrainerWord):
    """Several trainers, of which the best on the validation part is kept: by log loss, or RMSE for a number.

    Each is fitted on the training part. The holdout judges the one that is kept, as it judges any other.

    Args:
        trainers: Two or more. Of equally good ones the first is kept.

    Raises:
        DeclarationError: For fewer than two.

    >>> from ml_platform import LightGBM, Linear
    >>> len(Choose([LightGBM(), Linear()]).trainers)
    2
    """

    trainers: Several[PlainTrainer | AnySearched]

    def __post_init__(self) -> None:
        if len(self.trainers) < 2:
            raise DeclarationError("Choose", "there is nothing to choose from", remedy="Give two trainers or more.")

    def check(self, task: Task, where: str) -> None:
        """As each of them."""
        for trainer in self.trainers:
            trainer.check(task, where)


@word
class Calibrated(TrainerWord):
    """A trainer for a Boolean label whose probabilities are mapped to the shares of true labels that they stand for.

    The map is fitted on the validation part. Where the trainer itself looks at that part, to stop early or to choose,
    it sees the earlier half, and the map the later one.

    Args:
        trainer: What is calibrated.
        method: "sigmoid" fits two numbers to the log-odds (Platt 1999). "isotonic" fits any rising function, and needs
            about a thousand examples or more.

    Raises:
        DeclarationError: For another method.

    >>> from ml_platform import LightGBM
    >>> Calibrated(LightGBM(early_stopping=20), "isotonic").method
    'isotonic'
    """

    trainer: PlainTrainer | Choose | AnySearched
    method: Literal["sigmoid", "isotonic"] = "sigmoid"

    def check(self, task: Task, where: str) -> None:
        """Refuse all tasks but binary."""
        if task != "binary":
            raise DeclarationError(
                where, f"Calibrated needs a Boolean label, and this one makes a {task} task", remedy="Leave it out."
            )
        self.trainer.check(task, where)


DeclaredTrainer = PlainTrainer | Choose | Calibrated | Quantiles | AnySearched
