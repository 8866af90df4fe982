"""What a code location declares: the pipelines that load, and the declarations that do not (S39)."""

from dataclasses import dataclass

from ml_platform.errors import DeclarationError, NotFoundError
from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class Broken:
    """A declaration that does not load.

    address: the module or address that the settings name, or the module in a package that they name.
    names:   the pipelines that it would declare, as far as its text tells.
    error:   what is wrong, with file, line and remedy.
    """

    address: str
    names: tuple[str, ...]
    error: DeclarationError

    @property
    def name(self) -> str:
        """How people call it: its pipelines, else its address."""
        return ", ".join(self.names) or self.address


@dataclass(frozen=True)
class Declarations:
    """The pipelines that load, ordered by name, and the declarations that do not. A broken one harms itself only.

    left_out: examples that come along and that nobody added.
    """

    pipelines: dict[str, ModelPipeline]
    broken: tuple[Broken, ...] = ()
    left_out: frozenset[str] = frozenset()

    def find(self, name: str) -> ModelPipeline:
        """The pipeline of that name.

        Raises the error of its declaration when that is broken, and NotFoundError, which lists the others, when there
        is none.
        """
        if name in self.pipelines:
            return self.pipelines[name]
        error = self.problem(name)
        if error is not None:
            raise error
        if name in self.left_out:
            raise NotFoundError("pipeline", name, remedy=f"`ml-platform example {name}` adds it, with its data.")
        raise NotFoundError("pipeline", name, list(self.pipelines))

    def problem(self, name: str) -> DeclarationError | None:
        """Why the pipeline of that name does not load: of a file that tells no names, it may be there."""
        for one in self.broken:
            if name in one.names:
                return one.error
        for one in self.broken:
            if not one.names:
                return one.error
        return None
