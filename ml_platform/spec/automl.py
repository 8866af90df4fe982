"""The word for a search over several trainers and their parameters within a time (S62)."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.spec.search_checks import MOST_TRIALS, check_metric_of_task, check_times_and_metric
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import LightGBM
from ml_platform.spec.vocabulary import Several, word


@word
class AutoML(TrainerWord):
    """A trainer and its parameters, chosen by trials within a time; the holdout judges the choice (S62).

    The first trials are the trainers as they are listed, so that the choice is no worse on the folds than any of
    them that ended within the time. Later ones vary the parameters, more often of the trainers that do well. A trial
    goes on to its next fold only where it is among the best third so far.

    Args:
        budget: The time of all trials together, such as "10m", also over several runs. The number of trials, and by
            it the choice, depends on how fast the machine is.
        trainers: What is chosen among; None: LightGBM, XGBoost and extremely randomised trees of scikit-learn where
            they are installed, and Linear. The first one is what the choice is compared with on the holdout.
        trials: The most trials; 1 to 10,000.
        folds: As of `Tuned`.
        trial_limit: The time of one trial; one that takes longer failed. None: a fifth of the budget, but for the
            first trial, which always ends.
        metric: What is improved; None: the pipeline's headline metric.
        seed: Of what is drawn.

    Raises:
        DeclarationError: For a time that is no span, an unknown metric, and an empty list of trainers.

    >>> type(AutoML(budget="2m").trainer).__name__
    'LightGBM'
    """

    budget: str = "10m"
    trainers: Several[PlainTrainer] | None = None
    trials: int = Field(default=1_000, ge=1, le=MOST_TRIALS)
    folds: int = Field(default=3, ge=1, le=20)
    trial_limit: str | None = None
    metric: str | None = None
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    def __post_init__(self) -> None:
        check_times_and_metric(self)
        if self.trainers is not None and not self.trainers:
            raise DeclarationError("AutoML", "there is no trainer", remedy="List one, or leave trainers out.")

    @property
    def trainer(self) -> PlainTrainer:
        """The trainer of the first trial."""
        return self.trainers[0] if self.trainers else LightGBM()

    @property
    def wanted(self) -> int:
        """The most trials."""
        return self.trials

    @property
    def prune(self) -> bool:
        """Trials end early: the folds are the rungs of the halving."""
        return True

    @property
    def space(self) -> Mapping[str, Any]:
        """Empty: each trainer has a space of its own."""
        return {}

    def check(self, task: Task, where: str) -> None:
        """As every listed trainer; and the metric must be one of the task."""
        for trainer in self.trainers or ():
            trainer.check(task, where)
        check_metric_of_task(self.metric, task, where)
