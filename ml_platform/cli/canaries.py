"""The command of canaries: canary."""

import getpass
from dataclasses import asdict
from typing import Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines, emit_table, note
from ml_platform.errors import CanaryRefused


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(canary)


def canary(
    version: Annotated[
        str, typer.Argument(metavar="PIPELINE[@N]", help="A model version; the pipeline alone lists its canaries.")
    ],
    share: Annotated[
        float | None, typer.Option(help="The share of keys that it answers, above 0 and below 1, such as 0.1.")
    ] = None,
    max_error_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of its rows that it may fail to answer.")
    ] = 0.01,
    max_latency_ratio: Annotated[
        float, typer.Option(min=1.0, max=1000.0, help="How many times the champion's CPU time a row may take.")
    ] = 2.0,
    stop: Annotated[bool, typer.Option("--stop", help="End the canary of the pipeline.")] = False,
    why: Annotated[str, typer.Option(help="The reason, kept in the log.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a version answer a share of the keys; the service takes it back when errors or latency leave their bounds.

    It takes the place of the canary before it. --stop, and any change of champion, end it.
    """
    if "@" in version:
        if stop:
            raise typer.BadParameter("--stop ends the canary of a pipeline: name no version")
        if share is None:
            raise typer.BadParameter(f"--share is missing: `ml-platform canary {version} --share 0.1` gives it a tenth")
        if not 0 < share < 1:
            raise typer.BadParameter("--share is above 0 and below 1, such as 0.1")
        _start(version, share, max_error_share, max_latency_ratio, why, as_json=as_json)
    elif share is not None:
        raise typer.BadParameter("--share goes with a version: PIPELINE@N")
    elif stop:
        _stop(version, why, as_json=as_json)
    else:
        _list(version, as_json=as_json)


def _start(
    version: str, share: float, max_error_share: float, max_latency_ratio: float, why: str, *, as_json: bool
) -> None:
    from ml_platform.serving.deploying_canary import start_canary
    from ml_platform.views.undeclared import Undeclared

    workspace = opening.writing()
    name, number = parse_version(version)
    declared = opening.declared_or_recorded(workspace, name)
    gates = declared.required_gates.get(number) if isinstance(declared, Undeclared) else declared.required_gates
    if gates is None:
        remedy = f"Correct the declaration of {name} and run it first."
        raise CanaryRefused(f"{version} cannot be a canary: no gate judged it.", remedy=remedy)
    entry, new = start_canary(
        workspace,
        declared.name,
        number,
        gates,
        share=share,
        max_error_share=max_error_share,
        max_latency_ratio=max_latency_ratio,
        reason=why,
        actor=getpass.getuser(),
    )
    if not new:
        note(f"{version} is the canary already, with these bounds; nothing changed.")
    _emit(asdict(entry), as_json=as_json)


def _stop(pipeline: str, why: str, *, as_json: bool) -> None:
    from ml_platform.state import canaries

    workspace = opening.writing()
    name = opening.declared_or_recorded(workspace, pipeline).name
    _emit(asdict(canaries.stop(workspace.state, name, reason=why, actor=getpass.getuser())), as_json=as_json)


def _list(pipeline: str, *, as_json: bool) -> None:
    from ml_platform.state import canaries
    from ml_platform.views.canary_status import canary_phrase

    workspace = opening.reading()
    name = opening.declared_or_recorded(workspace, pipeline).name
    rows = [asdict(entry) for entry in reversed(canaries.history(workspace.state, name))]
    standing = canaries.standing(workspace.state, name)
    if as_json:
        emit_json({"pipeline": name, "canary": standing.version if standing else None, "log": rows})
        return
    columns = ("recorded_at", "version", "action", "share", "reason", "actor")
    empty = f"{name} never had a canary: `ml-platform canary {name}@N --share 0.1` makes a version one."
    emit_table([{key: row[key] for key in columns} for row in rows], title=name, empty=empty)
    note(canary_phrase(workspace.state, name) or f"{name} has no canary now.")


def _emit(entry: dict[str, object], *, as_json: bool) -> None:
    facts = {key: value for key, value in entry.items() if key != "seq" and (key != "evidence" or value)}
    emit_json(facts) if as_json else emit_lines(facts)
