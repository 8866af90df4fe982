"""Commands that change something: land, promote, rollback, reproduce, maintain."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ml_platform.cli.arguments import AsJson, PipelineName, VersionName, parse_version
from ml_platform.cli.output import emit, emit_one
from ml_platform.settings import Settings

Why = Annotated[str, typer.Option(help="The reason, for the log.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (land, promote, rollback, reproduce, maintain):
        app.command()(command)


def land(
    pipeline: PipelineName,
    table: Annotated[str, typer.Argument(help="The table whose files these are.")],
    files: Annotated[list[Path], typer.Argument(help="Files to copy into the landing folder.")],
    arrived: Annotated[datetime | None, typer.Option(help="When they became available, UTC; default now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy files into the landing folder, each whole or not at all."""
    from ml_platform.cli.opening import writing_workspace
    from ml_platform.discovery import find
    from ml_platform.ingestion.landing import land as put

    declared = find(pipeline).table(table)
    moment = arrived.replace(tzinfo=UTC) if arrived else None
    target: object = writing_workspace(Settings()).lake if moment else Settings()
    landed = put(target, declared, files, arrived=moment)  # type: ignore[arg-type]  # a lake only when there is something to remember
    emit([{"table": table, "landed": str(path)} for path in landed], as_json=as_json)


def promote(
    version: VersionName, why: Why, as_json: AsJson = False
) -> None:
    """Make a version the champion by hand. Its verdicts are read again; none is passed over."""
    from ml_platform.cli.opening import writing_workspace
    from ml_platform.discovery import find
    from ml_platform.lake.transaction import Author
    from ml_platform.registry import promotions

    name, number = parse_version(version)
    declared, workspace = find(name), writing_workspace(Settings())
    entry = promotions.promote(workspace.lake, Author(f"{name}/champion"), name, number, declared.all_gates,
                               partition="", reason=why, actor=getpass.getuser(), by_hand=True)  # fmt: skip
    emit_one(_entry(entry), as_json=as_json)


def rollback(
    pipeline: PipelineName,
    why: Why,
    to: Annotated[int | None, typer.Option(help="An earlier champion; default the one before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put an earlier champion back, at once."""
    from ml_platform.cli.opening import writing_workspace
    from ml_platform.discovery import find
    from ml_platform.registry import promotions

    name = find(pipeline).name
    entry = promotions.rollback(writing_workspace(Settings()).lake, name, why=why, actor=getpass.getuser(), to=to)
    emit_one(_entry(entry), as_json=as_json)


def reproduce(version: VersionName, as_json: AsJson = False) -> None:
    """Train a version again in a fresh process, from its stored training set, and compare the bytes."""
    from ml_platform.cli.opening import reading_workspace
    from ml_platform.discovery import find
    from ml_platform.registry.versions import version as find_version
    from ml_platform.training.reproduction import reproduce as again

    name, number = parse_version(version)
    find(name)
    workspace = reading_workspace(Settings())
    stored = find_version(workspace.lake, name, number)
    outcome = again(workspace.blobs, stored.training_set, stored.bundle)
    emit_one({"version": version, "identical": outcome.identical, "detail": outcome.detail}, as_json=as_json)
    if not outcome.identical:
        raise typer.Exit(1)


def maintain(
    keep_days: Annotated[float, typer.Option(help="Keep snapshots of this many days.", min=0)] = 7,
    as_json: AsJson = False,
) -> None:
    """Upkeep: merge small files, expire old snapshots, remove what nothing refers to."""
    from ml_platform.cli.opening import writing_workspace
    from ml_platform.steps.upkeep import maintain as tidy

    emit_one(tidy(writing_workspace(Settings()), keep_days=keep_days), as_json=as_json)


def _entry(entry: object) -> dict[str, object]:
    shown = ("pipeline", "action", "version", "previous", "effective_at", "reason", "actor", "recorded_at")
    return {name: getattr(entry, name) for name in shown}
