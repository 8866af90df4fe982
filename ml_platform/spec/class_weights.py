"""How much an example of each class counts while a classifier is fitted (S61)."""

import math
from typing import Literal

from ml_platform.errors import DeclarationError
from ml_platform.spec.tasks import Task

ClassWeights = Literal["balanced"] | dict[bool | str, float] | None


def check_class_weights(weights: ClassWeights, task: Task, where: str) -> None:
    """Raise DeclarationError for a label without classes, classes that it cannot have, and what is no weight."""
    if weights is None:
        return
    if task == "regression":
        raise DeclarationError(where, "class_weights= needs classes, and the label is a number", remedy="Leave it out.")
    if isinstance(weights, dict):
        low = [f"{name!r}: {weight}" for name, weight in weights.items() if not 0 < weight < math.inf]
        if low or not weights:
            what = (
                f"class_weights={{{', '.join(low)}}} is not above 0 and finite" if low else "class_weights={} is empty"
            )
            raise DeclarationError(where, what, remedy="Give each class that it names a weight above 0.")
        kind, wanted = (bool, "True and False") if task == "binary" else (str, "the texts of the label")
        wrong = [repr(name) for name in weights if not isinstance(name, kind)]
        if wrong:
            raise DeclarationError(
                where, f"class_weights= names {', '.join(wrong)}, and the label is {task}", remedy=f"Name {wanted}."
            )
