"""Trainers whose parameters a search chooses: `Tuned` and `Grid` (S62)."""

import math
from collections.abc import Mapping
from functools import cached_property
from itertools import product
from typing import Any, Literal

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.automl import AutoML
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.spec.search_checks import MOST_TRIALS, check_metric_of_task, check_times_and_metric
from ml_platform.spec.search_space import Dimension, check_values, same, value_at, with_values
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import word


class SearchedTrainer(TrainerWord):
    """A trainer of which a search chooses parameters: what the words of searches have in common.

    trainer:     what is searched for; as it is declared it is the first trial.
    space:       parameter → what it may be.
    folds:       how many pairs of training and validation rows each trial is measured on.
    budget:      the time of all trials together; None: no limit. trial_limit: the time of one.
    metric:      what is improved; None: the pipeline's headline metric.
    prune:       whether a trial ends early that is worse on its first folds than half of the trials before it.
    """

    trainer: PlainTrainer
    space: Mapping[str, Any]
    folds: int
    budget: str | None
    trial_limit: str | None
    metric: str | None
    prune: bool

    @property
    def wanted(self) -> int:
        """The number of trials, the declared one among them."""
        raise NotImplementedError

    @property
    def declared_values(self) -> dict[str, Any]:
        """The declared values of the parameters of the space, of those that are declared."""
        values = {path: value_at(self.trainer, path) for path in sorted(self.space)}
        return {path: value for path, (value, is_declared) in values.items() if is_declared}

    def check(self, task: Task, where: str) -> None:
        """As the trainer; and the metric must be one of the task."""
        self.trainer.check(task, where)
        check_metric_of_task(self.metric, task, where)

    def _check_parameters(self, ends: Mapping[str, tuple[Any, ...]]) -> None:
        """Refuse an empty space, a parameter that the trainer lacks, and a value that it does not take."""
        name = type(self).__name__
        if not ends:
            raise DeclarationError(name, "the space is empty", remedy='Give {"num_leaves": IntRange(8, 256)}.')
        for path, values in ends.items():
            for value in values:
                with_values(self.trainer, {path: value}, f"{name}.space")
        inside = [path for path in ends if any(path.startswith(f"{other}.") for other in ends)]
        if inside:
            raise DeclarationError(name, f"{inside[0]} is in the space twice", remedy="Name it once.")


@word
class Tuned(SearchedTrainer):
    """A trainer whose parameters are chosen by trials on the training and validation parts; the holdout judges (S62).

    The first trial is the trainer as declared, so that the chosen parameters are no worse on the folds. Optuna's
    sampler suggests the others. Trials are on record one by one, and a search that was ended goes on where it was.

    Args:
        trainer: What is tuned: `LightGBM(…)`, `XGBoost(…)`, `Linear(…)` or `ScikitLearn(…)`.
        space: Parameter → `IntRange`, `FloatRange` or `OneOf`. A dot leads into a parameter: "extra.lambda_l1".
        trials: How many; 1 to 10,000.
        budget: The time of all trials together, such as "10m"; None: no limit. It makes the choice depend on how fast
            the machine is.
        folds: Pairs of training and validation rows: rolling origins with a `Split` by time, else groups by hash.
        sampler: "tpe" learns from the trials before (Bergstra et al. 2011); "random" does not.
        prune: Whether a trial ends early that is worse on its first folds than the median of the trials before.
        trial_limit: The time of one trial, such as "2m"; one that takes longer failed. None: no limit.
        metric: What is improved; None: the pipeline's headline metric.
        seed: Of what the sampler draws.

    Raises:
        DeclarationError: For an unknown parameter, a range whose ends the trainer refuses, and a value out of range.

    >>> from ml_platform import IntRange, LightGBM
    >>> Tuned(LightGBM(), {"num_leaves": IntRange(8, 256, log=True)}, trials=20).wanted
    20
    """

    trainer: PlainTrainer
    space: dict[str, Dimension]
    trials: int = Field(default=50, ge=1, le=MOST_TRIALS)
    budget: str | None = None
    folds: int = Field(default=3, ge=1, le=20)
    sampler: Literal["tpe", "random"] = "tpe"
    prune: bool = True
    trial_limit: str | None = None
    metric: str | None = None
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    def __post_init__(self) -> None:
        check_times_and_metric(self)
        self._check_parameters({path: dimension.ends for path, dimension in self.space.items()})

    @property
    def wanted(self) -> int:
        return self.trials


@word
class Grid(SearchedTrainer):
    """A trainer of which every combination of listed values is tried, after the trainer as declared (S62).

    Args:
        trainer: What is tuned.
        space: Parameter → the values that are tried, such as {"num_leaves": [15, 31, 63]}.
        budget: The time of all trials together; None: no limit.
        folds: As of `Tuned`.
        prune: As of `Tuned`.
        trial_limit: As of `Tuned`.
        metric: As of `Tuned`.

    Raises:
        DeclarationError: For an unknown parameter, a value that the trainer refuses, and over 10,000 combinations.

    >>> from ml_platform import LightGBM
    >>> Grid(LightGBM(num_leaves=7), {"num_leaves": [15, 31], "learning_rate": [0.05, 0.1]}).wanted
    5
    """

    trainer: PlainTrainer
    space: dict[str, list[Any]]
    budget: str | None = None
    folds: int = Field(default=3, ge=1, le=20)
    prune: bool = True
    trial_limit: str | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        check_times_and_metric(self)
        for path, values in self.space.items():
            check_values(f"Grid.space[{path!r}]", values, least=1)
        combinations = math.prod(len(values) for values in self.space.values())
        if combinations >= MOST_TRIALS:
            raise DeclarationError(
                "Grid", f"{combinations:,} combinations", remedy="List fewer values, or use Tuned(…)."
            )
        self._check_parameters({path: tuple(values) for path, values in self.space.items()})

    @cached_property
    def combinations(self) -> list[dict[str, Any]]:
        """Every combination but the declared one, by the alphabet of the parameters; the last changes fastest."""
        names = sorted(self.space)
        listed = [dict(zip(names, values, strict=True)) for values in product(*(self.space[name] for name in names))]
        declared = [value_at(self.trainer, name) for name in names]
        return [
            one
            for one in listed
            if not all(there and same(one[name], value) for name, (value, there) in zip(names, declared, strict=True))
        ]

    @property
    def wanted(self) -> int:
        return 1 + len(self.combinations)


AnySearched = Tuned | Grid | AutoML
