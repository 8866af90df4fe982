"""The command that packages a version: package."""

from pathlib import Path
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines, note
from ml_platform.serving.packaging.formats import Format

CHAMPION = "champion"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(package)


def _version_or_champion(text: str) -> str:
    name, _, number = text.partition("@")
    if not name or number != CHAMPION:
        parse_version(text)
    return text


def package(
    version: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE@N",
            callback=_version_or_champion,
            help="A model version, such as flight_delay@3 or flight_delay@champion.",
        ),
    ],
    package_format: Annotated[Format, typer.Option("--format", help="What to make of it.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False, help="Where to write it.")],
    tolerance: Annotated[
        float | None,
        typer.Option(min=0.0, help="The largest difference of a score that `--format onnx` accepts, else 0.00001."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Package a version, to be used without the platform's lake.

    The same version gives the same bytes. See docs/packaging.md.
    """
    from ml_platform.serving.packaging.packaged_version import PackagedVersion, version_number
    from ml_platform.state.promotions import champion_at
    from ml_platform.views.version_card import card_of

    if tolerance is not None and not package_format.may_change_scores:
        raise typer.BadParameter("--tolerance is for --format onnx: other formats change no score")
    there = opening.declarations()
    pipeline = there.find(version.partition("@")[0])
    workspace = opening.reading(there)
    with workspace.reading():
        number = version_number(workspace, pipeline.name, version.partition("@")[2])
        card = card_of(workspace, pipeline, number, stored=True)  # raises for a version that does not exist
        note(f"Packaging {pipeline.name}@{number}: {package_format.value}.")
        champion = champion_at(workspace.state, pipeline.name)
        if number != champion:
            serving = f"the champion is {pipeline.name}@{champion}" if champion else "no version does"
            note(f"It does not serve: {serving}.")
        packaged = PackagedVersion.of(workspace, pipeline.name, number, card)
        built = package_format.build(packaged, to, tolerance)
    facts = {
        "pipeline": pipeline.name,
        "version": number,
        "bundle": packaged.manifest.bundle,
        "format": package_format.value,
        "path": str(built.path),
        "bytes": built.size,
        "sha256": built.sha256,
    }
    if as_json:
        emit_json({**facts, "report": built.report or None})
    else:
        emit_lines({**facts, **built.report})
