"""Commands that write: land, withdraw, promote, rollback, reproduce, maintain."""

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName, VersionName, Why, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import counting, emit_json, emit_lines, emit_table, note, say
from ml_platform.errors import DeclarationError, IngestionError, NotFoundError

if TYPE_CHECKING:
    from ml_platform.state.promotions import Promotion


_SHOWN = 20  # landed files that are listed one by one


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (land, withdraw, promote, rollback, reproduce, maintain):
        app.command(cls=Command)(command)


def land(
    pipeline: PipelineName,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table whose files these are.")],
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", exists=True, readable=True, help="Files, and folders of files, to copy there."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace other content that stands under the same name: a correction.")
    ] = False,
    arrived: Annotated[datetime | None, typer.Option(help="When the files became available, UTC; default now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy files into the landing folder, each atomically. `run` ingests them.

    Under a pattern with `**` files keep their folders. Nothing is copied when two files would land under one name, or
    when other content stands there and `--replace` is not given.
    """
    from ml_platform.sources.landing import land as put

    declared = opening.declared(pipeline)
    tables = {one.name: one for one in declared.tables}
    if table not in tables:
        raise NotFoundError("table", table, list(tables))
    moment = arrived.replace(tzinfo=UTC) if arrived else None
    try:
        with counting("files landed", quiet=as_json) as count:
            landed = put(
                opening.settings(), tables[table], files, arrived=moment, replace=replace, on_file=lambda _: count()
            )
    except IngestionError as error:
        raise typer.BadParameter(str(error)) from None
    rows = [{"table": table, "landed": str(one.path), "outcome": one.outcome} for one in landed]
    if as_json:
        emit_json(rows)
        return
    emit_table(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(f"and {len(rows) - _SHOWN:,} more files.")
    note(f"`ml-platform run {pipeline}` ingests them.")


def withdraw(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table whose file it is.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Its path in the landing folder, or its name.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Withdraw a file: its rows end now, on record. The file stays where it is and is not read until it lands again.

    A second time it changes nothing. `run` carries it through; past predictions stay.
    """
    from ml_platform.sources.withdrawing import withdraw as end

    workspace = opening.writing()
    outcome = end(workspace.state, workspace.settings, table, file, why=why, actor=getpass.getuser())
    if as_json:
        emit_json(asdict(outcome))
    elif outcome.changed:
        say(f"{outcome.file}: {outcome.rows:,} rows are withdrawn. `ml-platform run PIPELINE` carries it through.")
        note("`ml-platform land` of the same file takes it back.")
    else:
        note(
            f"{outcome.file} was withdrawn at {outcome.at:%Y-%m-%d %H:%M} UTC already ({outcome.why}); nothing changed."
        )


def promote(version: VersionName, why: Why, as_json: AsJson = False) -> None:
    """Make a version the champion manually. A failed verdict still blocks the promotion."""
    from ml_platform.state import promotions
    from ml_platform.state.publishing import publish
    from ml_platform.state.versions import version as find_version

    name, number = parse_version(version)
    declared = opening.declared(name)
    workspace = opening.writing()
    state = workspace.state
    find_version(state, name, number)
    if promotions.champion_at(state, name) == number:
        note(f"{version} is the champion already; nothing changed.")
    entry = promotions.promote(
        state, name, number, declared.required_gates, partition="", reason=why, actor=getpass.getuser(), by_hand=True
    )
    publish(workspace)
    _emit(_entry(entry), as_json=as_json)


def rollback(
    pipeline: PipelineName,
    why: Why,
    to: Annotated[int | None, typer.Option(help="An earlier champion; default the previous one.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Restore an earlier champion, effective immediately."""
    from ml_platform.state import promotions
    from ml_platform.state.publishing import publish

    name = opening.declared(pipeline).name
    workspace = opening.writing()
    entry = promotions.rollback(workspace.state, name, why=why, actor=getpass.getuser(), to=to)
    publish(workspace)
    _emit(_entry(entry), as_json=as_json)


def reproduce(version: VersionName, as_json: AsJson = False) -> None:
    """Train a version again from its stored training set, in a new process, and compare the bytes."""
    from ml_platform.state.versions import version as find_version
    from ml_platform.training.reproduction import reproduce as again

    name, number = parse_version(version)
    opening.declared(name)
    workspace = opening.reading()
    stored = find_version(workspace.state, name, number)
    outcome = again(workspace.blobs, stored.training_set, stored.bundle)
    _emit({"version": version, **asdict(outcome)}, as_json=as_json)
    if not outcome.identical:
        raise typer.Exit(1)


def _keep(text: str) -> str:
    from ml_platform.spec.durations import microseconds

    try:
        microseconds(text)
    except DeclarationError as error:
        raise typer.BadParameter(f"{error.problem}. {error.remedy}") from None
    return text


def maintain(
    keep: Annotated[str, typer.Option(help="Keep snapshots younger than this: 12h, 7d, 4w.", callback=_keep)] = "7d",
    as_json: AsJson = False,
) -> None:
    """Maintenance: merge small files, expire old snapshots, remove unreferenced files."""
    from ml_platform.runtime.retention import maintain as tidy
    from ml_platform.spec.durations import microseconds

    days = microseconds(keep) / microseconds("1d")
    _emit(tidy(opening.writing(), keep_days=days), as_json=as_json)


def _entry(entry: "Promotion") -> dict[str, Any]:
    shown = ("pipeline", "action", "version", "previous", "effective_at", "reason", "actor", "recorded_at")
    return {name: getattr(entry, name) for name in shown}


def _emit(value: dict[str, Any], *, as_json: bool) -> None:
    emit_json(value) if as_json else emit_lines(value)
