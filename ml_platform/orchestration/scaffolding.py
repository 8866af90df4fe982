"""What `dg scaffold defs ml_platform.PipelineComponent NAME` writes: a defs.yaml and a declaration that loads."""

from pathlib import Path

import dagster as dg
from pydantic import BaseModel, Field

from ml_platform.errors import PlatformError

_IN_PYTHON = """import dagster as dg

from ml_platform import PipelineComponent


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> PipelineComponent:
    return PipelineComponent(pipeline={address})
"""


class ScaffoldParams(BaseModel):
    """The options of `dg scaffold defs ml_platform.PipelineComponent`."""

    pipeline: str | None = Field(
        default=None,
        description="Address of an existing ModelPipeline: package.module:name. Without it, a new one is written.",
    )


class PipelineScaffolder(dg.Scaffolder[ScaffoldParams]):
    """Writes into a new folder. Existing files are never overwritten."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParams]:
        return ScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParams]) -> None:
        """Write the files.

        Raises PlatformError for an invalid pipeline name and for an existing file. Nothing is written then.
        """
        folder = request.target_path.parent if request.append else request.target_path
        declaration = folder / "declaration.py"
        try:
            address = request.params.pipeline or _declared(declaration)
        except PlatformError:
            if not any(folder.iterdir()):
                folder.rmdir()  # dg made it a moment ago, and would find the name taken
            raise
        if request.scaffold_format == "yaml":
            dg.scaffold_component(request, {"pipeline": address})
            return
        written = f'f"{{__package__}}{address}"' if address.startswith(".") else f'"{address}"'
        _write(folder / "component.py", _IN_PYTHON.format(address=written))


def _declared(file: Path) -> str:
    """Write the starter declaration, named like its folder, and return its address."""
    from ml_platform.authoring.identifiers import check_name
    from ml_platform.authoring.starter import starter

    name = check_name(file.parent.name, [])
    _write(file, starter(name))
    return f".{file.stem}:{name}"


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise PlatformError(f"{file} is there already.", remedy="Choose another name, or remove the file.") from None
