"""Which trainer implements a declared word, and which model reads a bundle's format."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from ml_platform.errors import BlobError
from ml_platform.models.protocol import Model, Trainer
from ml_platform.spec.trainers import PLAIN, TRAINERS

if TYPE_CHECKING:
    from ml_platform.spec.declared_trainer import TrainerWord

FIRST_FORMAT = "lightgbm-text"  # of every version that was trained before formats were recorded


def trainer_of(declared: "TrainerWord") -> Trainer:
    """The implementation of a declared trainer, such as `LightGBM(…)`."""
    return trainer_named(type(declared).__name__)


def trainer_named(word: str) -> Trainer:
    """The implementation of the word of that name, such as "LightGBM"."""
    return _load(TRAINERS[word])


def trainer_that_fitted(model_format: str, config: Mapping[str, Any]) -> Trainer:
    """The trainer of a version, by its model's format and the configuration that it was fitted with.

    Raises BlobError for a format that this version does not know.
    """
    if word := config.get("trainer"):
        return trainer_named(word)
    return _of_format(model_format)[0]


def model_of_format(name: str) -> type[Model]:
    """The class of models of that format. Raises BlobError for a format that this version does not know."""
    return _of_format(name)[1]


def _of_format(name: str) -> tuple[Trainer, type[Model]]:
    by_format = {model.format: (trainer, model) for trainer in trainers() for model in trainer.models}
    if name not in by_format:
        raise BlobError(
            f"The model format {name!r} is unknown; this version reads {', '.join(sorted(by_format))}.",
            remedy="Use the ml_platform that made it, or a newer one.",
        )
    return by_format[name]


def trainers() -> Iterator[Trainer]:
    """Every trainer, in the order of `ml_platform.spec.trainers.TRAINERS`."""
    return (_load(module) for module in dict.fromkeys(TRAINERS.values()))


def plain_models() -> Iterator[type[Model]]:
    """Every class of models that is of one library."""
    return (model for word in PLAIN for model in trainer_named(word).models)


def recorded_format(metrics: Mapping[str, Any]) -> str:
    """The model format of a registered version, from its `metrics`."""
    return str(metrics.get("format", FIRST_FORMAT))


def _load(module: str) -> Trainer:
    return cast(Trainer, import_module(f"{__package__}.{module}").TRAINER)
