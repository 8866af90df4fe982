"""What a command works on: the settings, a pipeline, the lake; read-only where it only reads.

Imports stay inside: `--help` and a wrong argument must not wait for DuckDB and polars.
"""

from typing import TYPE_CHECKING

from ml_platform.errors import DeclarationError

if TYPE_CHECKING:
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline


def settings() -> "Settings":
    """The settings of the environment. Raises DeclarationError that names the variable and not its value."""
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
    """The pipeline of that name. Raises NotFoundError, listing those there are."""
    from ml_platform.discovery import find

    return find(name, settings())


def reading() -> "Workspace":
    """The workspace over a read-only lake: no run waits for it. Raises LakeError when there is no lake yet.

    A lake that older code made is migrated first.
    """
    from ml_platform.discovery import pipelines, slices_of
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.state import database

    here = settings()
    slices = slices_of(pipelines(here).values())
    if (here.lake / "catalog.sqlite").exists() and not database.exists(here):
        Workspace.open(here, slices).close()
    return Workspace.open_for_reading(here, slices)


def writing() -> "Workspace":
    """The workspace over a lake that may be written; made when it is missing."""
    from ml_platform.discovery import pipelines, slices_of
    from ml_platform.runtime.workspace import Workspace

    here = settings()
    return Workspace.open(here, slices_of(pipelines(here).values()))
