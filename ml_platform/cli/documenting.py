"""The command that shows a version's model card: card."""

from pathlib import Path
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, VersionName, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import note, say


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(card)


def card(
    version: VersionName,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a page, whole in one file.", dir_okay=False)
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown. This is the default.")] = False,
    as_json: AsJson = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of --json instead.")] = False,
) -> None:
    """Show the model card of a version: data, features, metrics by segment, gaps, gates, drift, limits.

    It scores the version's holdout to compare segments, and changes nothing. See docs/model-card.md.
    """
    from ml_platform.views.model_card.assembled import model_card
    from ml_platform.views.model_card.json_form import as_json as json_text
    from ml_platform.views.model_card.json_form import json_schema
    from ml_platform.views.model_card.markdown import markdown
    from ml_platform.views.model_card.page import page

    if as_json and as_markdown:
        raise typer.BadParameter("give one of --markdown and --json; --html writes a file beside either")
    if schema:
        from ml_platform.cli.output import emit_json

        emit_json(json_schema())
        return
    name, number = parse_version(version)
    there = opening.declarations()
    pipeline = there.find(name)
    workspace = opening.reading(there)
    note(f"Measuring the segments of {version}.")
    shown = model_card(workspace, pipeline, number)
    if html is not None:
        html.write_text(page(shown), encoding="utf-8")
        note(f"Written: {html}")
    if as_json:
        typer.echo(json_text(shown), nl=False)
    elif as_markdown or html is None:
        say(*markdown(shown).rstrip().split("\n"))
