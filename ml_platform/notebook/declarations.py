"""What is declared today, for what cannot be answered from the lake alone. A broken declaration is a note, no error."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ml_platform import discovery
from ml_platform.errors import DeclarationError, PlatformError
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations as LoadedDeclarations
from ml_platform.spec.pipeline import ModelPipeline


@dataclass(frozen=True)
class Declarations:
    """The pipelines that the settings name, imported when first asked for and once."""

    settings: Settings

    @property
    def by_name(self) -> Mapping[str, ModelPipeline]:
        """Every declared pipeline that loads."""
        return self._loaded[0].pipelines

    @property
    def problem(self) -> PlatformError | None:
        """Why declarations do not load: of the first that does not; None when all do."""
        declared, error = self._loaded
        return error or next((one.error for one in declared.broken), None)

    def required(self, name: str, what: str) -> ModelPipeline:
        """The pipeline of that name. Raises DeclarationError, with the reason, when `what` cannot do without it."""
        if name in self.by_name:
            return self.by_name[name]
        declared, error = self._loaded
        problem = error or declared.problem(name)
        if problem is not None:
            raise DeclarationError(
                f"{what} of {name}", "needs its declaration, which does not load", remedy=str(problem)
            ) from problem
        remedy = f"ML_PLATFORM_PIPELINES names the modules with declarations: {', '.join(self.settings.pipelines)}."
        raise DeclarationError(f"{what} of {name}", "needs its declaration, and there is none today", remedy=remedy)

    @cached_property
    def _loaded(self) -> tuple[LoadedDeclarations, PlatformError | None]:
        try:
            return discovery.declarations(self.settings), None
        except PlatformError as error:
            return LoadedDeclarations({}), error
