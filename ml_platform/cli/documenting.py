"""Commands that document a version: card, evidence."""

from pathlib import Path
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, VersionName, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import complain, emit_json, emit_lines, note, say


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (card, evidence):
        app.command(cls=Command)(command)


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


def evidence(
    version: Annotated[
        str | None, typer.Argument(metavar="[PIPELINE@N]", help="A model version, such as flight_delay@3.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The archive to write, a zip.", dir_okay=False)
    ] = None,
    with_data: Annotated[bool, typer.Option("--with-data", help="With the rows of the training set.")] = False,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verify an archive, or a folder that one was unpacked into.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HASH", help="With --check: the hash that was noted when it was made.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is on record of a version into one archive that verifies itself offline.

    The same version, records and declaration give the same bytes. With --check, verify one.
    """
    if check is not None:
        if version is not None or to is not None:
            raise typer.BadParameter("--check verifies a file, and takes neither a version nor --to")
        _check(check, sha256, as_json=as_json)
        return
    if version is None or to is None:
        raise typer.BadParameter("give a version and --to: `ml-platform evidence flight_delay@3 --to evidence.zip`")
    if sha256 is not None:
        raise typer.BadParameter("--sha256 goes with --check")
    from ml_platform.evidence.archive import write
    from ml_platform.evidence.members import members

    name, number = parse_version(version)
    there = opening.declarations()
    pipeline = there.find(name)
    workspace = opening.reading(there)
    note(f"Collecting the evidence of {version}.")
    contents = members(workspace, pipeline, number, with_data=with_data)
    digest = write(to, contents)
    facts = {
        "version": version,
        "path": str(to),
        "sha256": digest,
        "bytes": to.stat().st_size,
        "members": len(contents),
    }
    if as_json:
        emit_json({**facts, "with_data": with_data})
    else:
        emit_lines(facts)
        note(f"Verify it: `ml-platform evidence --check {to} --sha256 {digest}`, or with the verify.py inside.")


def _check(path: Path, sha256: str | None, *, as_json: bool) -> None:
    from ml_platform.evidence.verify import Unreadable, file_sha256, problems

    if not path.exists():
        raise typer.BadParameter(f"there is no {path}")
    if sha256 is not None and path.is_dir():
        raise typer.BadParameter("--sha256 is the hash of an archive, and this is a folder")
    try:
        differences = problems(path)
    except Unreadable as error:
        raise typer.BadParameter(f"this is no evidence archive: {error}") from None
    actual = None if path.is_dir() else file_sha256(path)
    if sha256 is not None and actual != sha256.lower():
        differences.append(f"the archive has the SHA-256 {actual}, not {sha256}")
    if as_json:
        emit_json({"path": str(path), "whole": not differences, "sha256": actual, "problems": differences})
    elif differences:
        for one in differences:
            complain(one)
    else:
        say(f"{path} is whole.")
    if differences:
        raise typer.Exit(1)
