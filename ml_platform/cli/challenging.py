"""The command of challengers: challenge."""

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines, emit_table, note


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(challenge)


def challenge(
    version: Annotated[
        str, typer.Argument(metavar="PIPELINE[@N]", help="A model version; the pipeline alone lists its challengers.")
    ],
    stop: Annotated[bool, typer.Option("--stop", help="End the challenger of the pipeline.")] = False,
    why: Annotated[str, typer.Option(help="The reason, kept in the log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a version shadow the champion: the service has it answer the same requests, for the log alone.

    It takes the place of the challenger before it. --stop, and its promotion, end it.
    """
    from ml_platform.state import challenges

    if stop and "@" in version:
        raise typer.BadParameter("--stop ends the challenger of a pipeline: name no version")
    if "@" not in version and not stop:
        workspace = opening.reading()
        name = opening.declared_or_recorded(workspace, version).name
        rows = [asdict(entry) for entry in reversed(challenges.history(workspace.state, name))]
        standing = challenges.challenger(workspace.state, name)
        if as_json:
            emit_json({"pipeline": name, "challenger": standing, "log": rows})
            return
        shown = [{key: row[key] for key in ("recorded_at", "version", "action", "reason", "actor")} for row in rows]
        emit_table(
            shown, title=name, empty=f"{name} never had a challenger: `ml-platform challenge {name}@N` names one."
        )
        note(f"The challenger is {name}@{standing}." if standing else f"{name} has no challenger now.")
        return
    workspace = opening.writing()
    if stop:
        name = opening.declared_or_recorded(workspace, version).name
        entry = challenges.stop(workspace.state, name, reason=why, actor=getpass.getuser())
    else:
        name, number = parse_version(version)
        name = opening.declared_or_recorded(workspace, name).name
        entry, new = challenges.start(workspace.state, name, number, reason=why, actor=getpass.getuser())
        if not new:
            note(f"{version} is the challenger already; nothing changed.")
    facts = {key: value for key, value in asdict(entry).items() if key != "seq"}
    emit_json(facts) if as_json else emit_lines(facts)
