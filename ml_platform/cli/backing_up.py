"""Commands that make and restore backups: backup, restore."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import complain, counting, emit_json, emit_lines, emit_table, note
from ml_platform.naming import counted

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of backups, outside of the data folder.")]

_SHOWN = 10  # lost or damaged files that are listed


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (backup, restore):
        app.command(cls=Command)(command)


def backup(
    folder: Folder,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="Keep the newest N backups, remove older ones; default all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Back up catalog, state, tables, blobs and reports. Only what is new is copied. Runs may go on meanwhile.

    Landing files are not part of it. A backup that was stopped is repeated with the same command. Nothing is removed
    when files were missing or damaged before the backup.
    """
    from ml_platform.runtime.backup import backup as make

    with counting("files backed up", quiet=as_json) as count:
        report = make(opening.settings(), folder, keep=keep, on_file=count)
    _show(asdict(report), as_json=as_json)
    remedy = (
        "`ml-platform run PIPELINE` makes them again, `ml-platform doctor` says what else does; then back up again."
    )
    _tell(report.lost, "Missing or damaged already", remedy)


def restore(
    folder: Folder,
    name: Annotated[
        str,
        typer.Option("--backup", metavar="NAME", help="A backup, or the beginning of its name; default the newest."),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Set the catalog and state of an existing lake aside.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Read everything, compare hashes, restore nothing.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the backups in the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup, every file by its hash. A restore that was stopped is repeated with the same command.

    An existing lake that is whole is refused. Stop what writes first.
    """
    from ml_platform.lake.backup_store import other_backups
    from ml_platform.runtime import restore as restores

    chosen = [flag for flag, given in (("--check", check), ("--list", listed), ("--replace", replace)) if given]
    if len(chosen) > 1:
        raise typer.BadParameter(f"{' and '.join(chosen)} exclude one another: pass one of them")
    if listed and name:
        raise typer.BadParameter("--list lists all backups: leave --backup out")
    if listed:
        _list(restores.backups(folder), as_json=as_json)
        return
    if check:
        with counting("files read", quiet=as_json) as count:
            checked = restores.check(folder, name, on_file=count)
        _show(asdict(checked), as_json=as_json)
        remedy = f"Back up again: what the lake still has is stored again. {other_backups(checked.unaffected)}"
        _tell(checked.damaged, "Damaged or missing", remedy)
        return
    with counting("files restored", quiet=as_json) as count:
        report = restores.restore(opening.settings(), folder, name, replace=replace, on_file=count)
    _show(asdict(report), as_json=as_json)
    if report.lost:
        note(
            f"{counted(len(report.lost), 'file was', 'files were')} lost when it was made: `ml-platform run` makes "
            f"{'it' if len(report.lost) == 1 else 'them'} again."
        )


def _list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        emit_json(rows)
    else:
        emit_table([{_HEADERS.get(name, name): row[name] for name in row if name != "problem"} for row in rows])
    damaged = [row for row in rows if row["problem"]]
    for row in damaged:
        complain(row["problem"], "Put the list back from a copy of the folder. The other backups are not affected.")
    if damaged:
        raise typer.Exit(1)


_HEADERS = {"made_at": "made at (UTC)", "made_by": "by ml_platform"}  # of the list for people


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(report)
    else:
        emit_lines({name: len(value) if isinstance(value, tuple) else value for name, value in report.items()})


def _tell(files: tuple[str, ...], problem: str, remedy: str) -> None:
    """Name the files and exit with 1, if there are any."""
    if not files:
        return
    for file in files[:_SHOWN]:
        note(file)
    if len(files) > _SHOWN:
        note(f"and {counted(len(files) - _SHOWN, 'more file')}")
    complain(f"{problem}: {counted(len(files), 'file')}.", remedy)
    raise typer.Exit(1)
