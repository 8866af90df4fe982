"""Opens what a command needs: the settings, a pipeline, the lake.

Heavy imports are inside the functions, so that `--help` and wrong arguments do not load DuckDB and polars.
"""

from typing import TYPE_CHECKING

from ml_platform.errors import DeclarationError

if TYPE_CHECKING:
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline


def settings() -> "Settings":
    """The settings of the environment. Raises DeclarationError, which names the variable but not its value."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from ml_platform.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"ML_PLATFORM_{str(first['loc'][0]).upper()}"
        raise DeclarationError(name, first["msg"], remedy="Change or unset the variable.") from None
    except SettingsError:
        # Only lists are parsed before they are checked, and there is one.
        raise DeclarationError(
            "ML_PLATFORM_PIPELINES", "not a JSON list of modules", remedy="""Write it as '["package.module"]'."""
        ) from None


def declared(name: str) -> "ModelPipeline":
    """The pipeline of that name. Raises NotFoundError, which lists the declared ones."""
    from ml_platform.discovery import find

    return find(name, settings())


def reading() -> "Workspace":
    """A read-only workspace, which blocks no run. Raises LakeError when there is no lake yet.

    A lake of an older version is migrated first.
    """
    from ml_platform.discovery import pipelines, slices_of
    from ml_platform.runtime.workspace import Workspace

    here = settings()
    return Workspace.open_for_reading(here, slices_of(pipelines(here).values()))


def writing() -> "Workspace":
    """A workspace for writing. A missing lake is created."""
    from ml_platform.discovery import pipelines, slices_of
    from ml_platform.runtime.workspace import Workspace

    here = settings()
    return Workspace.open(here, slices_of(pipelines(here).values()))
