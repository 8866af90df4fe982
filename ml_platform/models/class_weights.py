"""Weights of training examples by their class (S61)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.errors import TrainingError, did_you_mean
from ml_platform.spec.class_weights import ClassWeights

Array = npt.NDArray[np.float64]

WEIGHTS = "class_weights"  # in a trainer's configuration, where any are declared
_OF_LIBRARIES = ("class_weight", "is_unbalance", "scale_pos_weight")


def weights_config(weights: ClassWeights, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What a trainer's configuration says of weights: nothing where none are declared, as before there were any.

    Raises TrainingError where a parameter of the library weighs the classes, too.
    """
    if weights is None:
        return {}
    twice = [name for name in _OF_LIBRARIES if parameters.get(name)]
    if twice:
        raise TrainingError(f"class_weights= and {twice[0]}= would multiply.", remedy="Keep class_weights=.")
    return {WEIGHTS: weights if weights == "balanced" else {str(name): weight for name, weight in weights.items()}}


class LearntWeights:
    """The weight of each class, learnt from the labels of the train part.

    labels:  as numbers: the position in `classes`, or 1 for true.
    classes: of a multiclass task; empty for binary, whose classes are called False and True.

    "balanced" gives a class n / (k · n_c): all k classes weigh the same together, and an example 1 on average. A class
    that a mapping does not name weighs 1. Raises TrainingError for a name that no training example has.
    """

    def __init__(self, config: Mapping[str, Any], labels: Array, classes: Sequence[str]) -> None:
        self.names = tuple(classes) or ("False", "True")
        declared = config.get(WEIGHTS)
        self._by_class: Array | None = None
        if declared is None:
            return
        counts = np.bincount(labels.astype(np.intp), minlength=len(self.names))
        if declared == "balanced":
            self._by_class = counts.sum() / (len(self.names) * np.maximum(counts, 1))
            return
        unknown = sorted(set(declared) - set(self.names))
        if unknown:
            raise TrainingError(
                f"class_weights= names {', '.join(map(repr, unknown))}, which no training example is.",
                remedy=did_you_mean(unknown[0], self.names) or f"The classes are {', '.join(self.names)}.",
            )
        self._by_class = np.array([declared.get(name, 1.0) for name in self.names])

    def of(self, labels: Array) -> Array | None:
        """By row its weight; None where no weights are declared."""
        return None if self._by_class is None else self._by_class[labels.astype(np.intp)]

    @property
    def shown(self) -> dict[str, str]:
        """For the report of a fit; empty where no weights are declared."""
        if self._by_class is None:
            return {}
        pairs = zip(self.names, self._by_class.tolist(), strict=True)
        return {"class weights": ", ".join(f"{name} {weight:.4g}" for name, weight in pairs)}
