"""The word for an estimator of scikit-learn."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.class_weights import ClassWeights
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import word

MODULES = (
    "sklearn.discriminant_analysis",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neural_network",
    "sklearn.svm",
    "sklearn.tree",
)
WITHOUT_PROBABILITIES = frozenset(
    {"LinearSVC", "PassiveAggressiveClassifier", "Perceptron", "RidgeClassifier", "RidgeClassifierCV"}
)
_OURS = ("random_state", "n_jobs", "verbose", "warm_start")


@word
class ScikitLearn(TrainerWord):
    """An estimator of scikit-learn, stored by skops and never as a pickle. `ml_platform[sklearn]` installs both.

    Texts are one-hot by the categories of the training part, at most 1,000 columns. Numbers are standardised, and a
    missing one is the mean, with an indicator; histogram gradient boosting sees numbers as they are, also missing ones.

    Args:
        estimator: The dotted name of its class in one of `sklearn.discriminant_analysis`, `ensemble`, `linear_model`,
            `naive_bayes`, `neural_network`, `svm` and `tree`.
        seed: Its `random_state`, where it has one; 0 or more.
        class_weights: How much an example of each class counts: "balanced" for all classes alike, or class → weight,
            such as {True: 10.0}. They move the probabilities; `Calibrated(…)` moves them back. None: all count 1.
        parameters: Its further arguments by name: numbers, texts, Booleans, None, or lists of them. An unknown one is
            refused before training.

    Raises:
        DeclarationError: For a class that is in none of these modules, and an argument that is no such value.

    >>> ScikitLearn("sklearn.ensemble.HistGradientBoostingClassifier", max_iter=200).parameters
    {'max_iter': 200}
    """

    others: ClassVar[str] = "parameters"

    estimator: str
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    class_weights: ClassWeights = None

    if TYPE_CHECKING:

        def __init__(
            self, estimator: str, *, seed: int = 0, class_weights: ClassWeights = None, **parameters: Any
        ) -> None: ...

    def __post_init__(self) -> None:
        where = f"ScikitLearn({self.estimator!r})"
        module, _, name = self.estimator.rpartition(".")
        if module not in MODULES or not name.isidentifier() or not name[:1].isupper():
            raise DeclarationError(
                where, "it is no class of an allowed module", remedy=f"Allowed: classes of {', '.join(MODULES)}."
            )
        for parameter, value in self.parameters.items():
            if parameter in _OURS:
                remedy = "Give seed=…" if parameter == "random_state" else "Leave it out."
                raise DeclarationError(where, f"{parameter}= is the platform's", remedy=remedy)
            if not _is_plain(value):
                raise DeclarationError(
                    where,
                    f"{parameter}={value!r} cannot be kept as a plain value",
                    remedy="Give numbers, texts, Booleans, None, or lists of them.",
                )

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.estimator.rpartition(".")[2]

    def check(self, task: Task, where: str) -> None:
        """Refuse a classifier for numbers, a regressor for classes, and a classifier without probabilities."""
        super().check(task, where)
        if self.name in WITHOUT_PROBABILITIES and task != "regression":
            raise DeclarationError(
                where,
                f"{self.name} has no predict_proba, and a {task} label needs probabilities",
                remedy="Choose an estimator with predict_proba, such as sklearn.linear_model.LogisticRegression.",
            )
        other = "Classifier" if task == "regression" else "Regressor"
        if self.name.removesuffix("CV").endswith(other):
            raise DeclarationError(
                where,
                f"{self.name} is a {other.lower()}, and the label makes a {task} task",
                remedy=f"Use a {'regressor' if task == 'regression' else 'classifier'}.",
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool | int)
