"""What the word of a trainer says about itself."""

from ml_platform.spec.class_weights import ClassWeights, check_class_weights
from ml_platform.spec.tasks import Task


class TrainerWord:
    """A declared trainer. One of a library has the field `class_weights`."""

    @property
    def unkeyed(self) -> frozenset[str]:
        """Fields that no content key holds: no weights are as if there were no such word."""
        return frozenset({"class_weights"} if self._class_weights is None else ())

    @property
    def _class_weights(self) -> ClassWeights:
        weights: ClassWeights = getattr(self, "class_weights", None)
        return weights

    def check(self, task: Task, where: str) -> None:
        """Raise DeclarationError, about `where`, if it is certain without data that it fits no model of the task."""
        check_class_weights(self._class_weights, task, where)
