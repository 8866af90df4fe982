"""What the word of a trainer says about itself."""

from ml_platform.spec.tasks import Task


class TrainerWord:
    """A declared trainer."""

    def check(self, task: Task, where: str) -> None:
        """Raise DeclarationError, about `where`, if it is certain without data that it fits no model of the task."""
