"""The word for a trainer that answers quantiles of a number beside its median."""

import math
from dataclasses import replace
from typing import Any

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.tasks import MEDIAN, Task
from ml_platform.spec.training import LightGBM, XGBoost
from ml_platform.spec.vocabulary import Several, word

MOST_LEVELS = 99

# estimator → its arguments for a level, which is in place of None
_ESTIMATORS: dict[str, dict[str, str | None]] = {
    "sklearn.ensemble.GradientBoostingRegressor": {"loss": "quantile", "alpha": None},
    "sklearn.ensemble.HistGradientBoostingRegressor": {"loss": "quantile", "quantile": None},
    "sklearn.linear_model.QuantileRegressor": {"quantile": None},
}


@word
class Quantiles(TrainerWord):
    """A trainer for a number that is fitted once for each level, by the pinball loss of that quantile.

    The median is the score, which metrics, gates and drift look at. The values of all levels are the `scores` of a
    prediction, in the order of the levels: sorted, because quantiles that are fitted apart may cross.

    Args:
        trainer: LightGBM, XGBoost, or ScikitLearn with GradientBoostingRegressor, HistGradientBoostingRegressor or
            QuantileRegressor. The objective is set for each level.
        levels: Between 0 and 1, rising, with the median .5 among them; at most 99.

    Raises:
        DeclarationError: For other levels, another estimator, and a trainer whose objective is declared.

    >>> Quantiles(LightGBM(), levels=[0.1, 0.5, 0.9]).at(0.9).extra
    {'objective': 'quantile', 'alpha': 0.9}
    """

    trainer: LightGBM | XGBoost | ScikitLearn
    levels: Several[float] = (0.1, 0.5, 0.9)

    def __post_init__(self) -> None:
        if not all(math.isfinite(level) and 0 < level < 1 for level in self.levels):
            raise DeclarationError("Quantiles", f"levels={list(self.levels)} are not all between 0 and 1")
        if any(first >= second for first, second in zip(self.levels, self.levels[1:], strict=False)):
            raise DeclarationError("Quantiles", f"levels={list(self.levels)} do not rise", remedy="Sort them.")
        if MEDIAN not in self.levels:
            raise DeclarationError(
                "Quantiles", f"levels={list(self.levels)} lack the median", remedy="Add 0.5: it is the score."
            )
        if not 2 <= len(self.levels) <= MOST_LEVELS:
            raise DeclarationError(
                "Quantiles", f"{len(self.levels)} levels are declared", remedy=f"Give 2 to {MOST_LEVELS}."
            )
        taken = sorted({"objective", "alpha", "quantile_alpha"} & set(getattr(self.trainer, "extra", ())))
        if isinstance(self.trainer, ScikitLearn):
            if self.trainer.estimator not in _ESTIMATORS:
                raise DeclarationError(
                    "Quantiles",
                    f"{self.trainer.name} has no quantile loss that is known here",
                    remedy=f"Use one of {', '.join(_ESTIMATORS)}.",
                )
            taken = sorted(set(_ESTIMATORS[self.trainer.estimator]) & set(self.trainer.parameters))
        if taken:
            raise DeclarationError(
                "Quantiles", f"the trainer sets {', '.join(taken)}, which the levels set", remedy="Leave it out."
            )

    def at(self, level: float) -> LightGBM | XGBoost | ScikitLearn:
        """The trainer of one level."""
        declared = self.trainer
        if isinstance(declared, ScikitLearn):
            arguments: dict[str, Any] = {
                name: level if value is None else value for name, value in _ESTIMATORS[declared.estimator].items()
            }
            return ScikitLearn(declared.estimator, seed=declared.seed, **declared.parameters, **arguments)
        of_library = {"objective": "quantile", "alpha": level}
        if isinstance(declared, XGBoost):
            of_library = {"objective": "reg:quantileerror", "quantile_alpha": level}
        return replace(declared, extra={**declared.extra, **of_library})

    def check(self, task: Task, where: str) -> None:
        """Refuse all tasks but regression."""
        if task != "regression":
            raise DeclarationError(
                where, f"Quantiles needs a number as label, and this one makes a {task} task", remedy="Leave it out."
            )
        self.trainer.check(task, where)
