"""What is known of a searched trainer before its search, and that it fits nothing by itself (S62).

A search replaces the word by its trainer with the chosen parameters (`ml_platform.tuning`), and that is what is fitted,
bundled and reproduced.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.errors import TrainingError
from ml_platform.models.protocol import Model, TrainerVersion
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from ml_platform.models.automl_families import Family
    from ml_platform.spec.automl import AutoML
    from ml_platform.spec.searched_trainers import AnySearched

AUTOML_CODE_VERSION = 1  # of what AutoML tries and in which order, its spaces and starts; part of the same keys
CODE_VERSION = 1  # of how searches choose; part of the content key of searches and of what they choose (S31)


class SearchedTrainer:
    """Stands for `Tuned(…)`, `Grid(…)` and `AutoML(…)` in content keys."""

    models: tuple[type[Model], ...] = ()

    def libraries(self, declared: "AnySearched") -> tuple[str, ...]:
        """Those of the trainer. The library that suggests trials is none: it changes no byte of a model."""
        if _is_automl(declared):
            among = [family.trainer for family in _families(declared, "binary")]  # the same libraries for each task
            return tuple(sorted({name for one in among for name in trainer_of(one).libraries(one)}))
        return trainer_of(declared.trainer).libraries(declared.trainer)

    def code_version(self, declared: "AnySearched", task: Task) -> TrainerVersion:
        if _is_automl(declared):
            among = _families(declared, task)
            return [
                AUTOML_CODE_VERSION,
                [[one.name, trainer_of(one.trainer).code_version(one.trainer, task)] for one in among],
            ]
        return [CODE_VERSION, trainer_of(declared.trainer).code_version(declared.trainer, task)]

    def config(self, declared: "AnySearched", task: Task) -> dict[str, Any]:
        """Raises TrainingError: nothing is chosen yet."""
        raise TrainingError(
            f"{type(declared).__name__}(…) has no parameters before its search.",
            remedy="Train through the pipeline, which searches first.",
        )

    def uses_validation(self, declared: "AnySearched") -> bool:
        return True

    def fit(self, data: TrainingData, config: Mapping[str, Any], *, threads: int = 0) -> Model:
        """Raises TrainingError: the chosen trainer is fitted instead."""
        raise TrainingError("A searched trainer fits nothing by itself.", remedy="Fit the trainer that it chose.")


def _is_automl(declared: "AnySearched") -> "TypeIs[AutoML]":
    from ml_platform.spec.automl import AutoML  # a package that only answers has no declarations

    return isinstance(declared, AutoML)


def _families(declared: "AutoML", task: Task) -> "Sequence[Family]":
    from ml_platform.models.automl_families import families  # as above

    return families(declared, task)


TRAINER = SearchedTrainer()
