"""Opens what a command needs: the settings, a pipeline, the lake.

Heavy imports are inside the functions, so that `--help` and wrong arguments do not load DuckDB and polars.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.errors import DeclarationError

if TYPE_CHECKING:
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.declarations import Declarations
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.state.database import State
    from ml_platform.views.undeclared import Undeclared


def settings() -> "Settings":
    """The settings of the environment. Raises DeclarationError, which names the variable but not its value."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from ml_platform.setting_lines import unreadable_lines
    from ml_platform.settings import Settings

    try:
        if lines := unreadable_lines(Path(".env")):
            raise DeclarationError(
                str(Path(".env").resolve()),
                f"line {lines[0]} is no setting",
                remedy='Write it as NAME=value, and a value with blanks or quotes as NAME="value".',
            )
        here = Settings()
    except UnicodeDecodeError:
        raise DeclarationError(
            str(Path(".env").resolve()),
            "it is not UTF-8 text (a Windows editor may have saved it as UTF-16)",
            remedy="Save it as UTF-8: iconv -f UTF-16 -t UTF-8.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = f"ML_PLATFORM_{str(first['loc'][0]).upper()}"
        problem = _PROBLEMS.get(first["type"], first["msg"].removeprefix("Value error, "))
        if first["type"] == "int_parsing" and name.endswith("_BYTES"):
            problem = "not a whole number of bytes: it takes no unit, so write 1000000000 for 1 GB"
        raise DeclarationError(name, problem, remedy="Change or unset the variable.") from None
    except SettingsError:
        # Only lists are parsed before they are checked, and there is one.
        raise DeclarationError(
            "ML_PLATFORM_PIPELINES", "not a JSON list of modules", remedy="""Write it as '["package.module"]'."""
        ) from None
    _tell_misspelt(here)
    return here


_PROBLEMS = {  # by pydantic's type of the error
    "int_parsing": "not a whole number, such as 4",
    "float_parsing": "not a number, such as 7 or 0.5",
}


@cache
def _noted(line: str) -> None:
    from ml_platform.cli.output import note

    note(line)


def _tell_misspelt(here: "Settings") -> None:
    """Print one line for each variable that looks like a setting and is none, once a process."""
    from ml_platform.setting_lines import misspelt_settings

    for name, meant in misspelt_settings(here).items():
        _noted(f"{name} is no setting and has no effect." + (f" Did you mean {meant}?" if meant else ""))


def declared(name: str) -> "ModelPipeline":
    """The pipeline of that name. Raises NotFoundError, which lists the declared ones, or why it does not load."""
    return declarations().find(name)


def declarations() -> "Declarations":
    """What the settings name: the pipelines that load, and what does not."""
    from ml_platform import discovery

    return discovery.declarations(settings())


def declared_or_recorded(
    workspace: "Workspace", name: str, there: "Declarations | None" = None
) -> "ModelPipeline | Undeclared":
    """The pipeline of that name, by its records where its declaration is broken or gone (S39).

    The reason is printed as a note. `there` as for `reading`. Raises NotFoundError when it is neither declared nor on
    record.
    """
    from ml_platform.cli.output import note
    from ml_platform.views.undeclared import undeclared

    there = there or declarations()
    if name in there.pipelines:
        return there.pipelines[name]
    problem = there.problem(name)
    pipeline = undeclared(workspace, name, there)
    reason = f"does not load: {problem}" if problem else "is gone"
    note(f"By the records only: the declaration of {name} {reason}")
    return pipeline


def tell_broken(there: "Declarations") -> None:
    """Print the declarations that do not load, each with file, line and remedy, on standard error."""
    from ml_platform.cli.output import complain

    for one in there.broken:
        complain(f"{one.name} does not load: {one.error.what}", one.error.remedy)


def reading(there: "Declarations | None" = None) -> "Workspace":
    """A read-only workspace, which blocks no run. Raises LakeError when there is no lake yet.

    A lake of an older version is migrated first. `there` are the declarations, where the command has loaded them.
    """
    from ml_platform.discovery import slices_of
    from ml_platform.runtime.workspace import Workspace

    return Workspace.open_for_reading(settings(), slices_of((there or declarations()).pipelines.values()))


def writing(there: "Declarations | None" = None) -> "Workspace":
    """A workspace for writing. A missing lake is created. `there` as for `reading`."""
    from ml_platform.discovery import slices_of
    from ml_platform.runtime.workspace import Workspace

    return Workspace.open(settings(), slices_of((there or declarations()).pipelines.values()))


def state(*, write: bool = False) -> "State":
    """The operational state of a lake. Raises LakeError when there is none yet."""
    from ml_platform.state.database import State, is_current

    current = settings()
    if not is_current(current):
        reading().close()  # where there is no lake, or an older one, this says so or migrates it
    return State(current, read_only=not write)
