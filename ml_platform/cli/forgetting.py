"""The command that removes an entity: forget."""

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_table, note, say
from ml_platform.errors import NotFoundError
from ml_platform.naming import counted, listed

if TYPE_CHECKING:
    from ml_platform.erasure import Report


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(forget)


def forget(
    table: Annotated[
        str, typer.Argument(metavar="[TABLE]", help="The table by whose column the entity is named.")
    ] = "",
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="[COLUMN=]VALUE", help="Which entity; several of one column name several."),
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, kept on record. It must not name the entity.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Forget what was forgotten before and arrived again.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Finish one that was stopped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an entity's rows from files, tables, training sets, logs, stores and texts, also their bytes on disk.

    Models stay, and cannot be reproduced any more. A record says that it was done and where, and not of what. No run
    goes on meanwhile.
    """
    from ml_platform import erasure

    settings, declared, tell = (
        opening.settings(),
        opening.declarations(),
        (lambda line: None if as_json else note(line)),
    )
    if resume:
        if table or keys or again or dry_run:
            raise typer.BadParameter("--resume goes alone: what is to be forgotten is on record")
        _show([erasure.resume(settings, declared, say=tell)], as_json=as_json)
        return
    tables = {one.name: one for pipeline in declared.pipelines.values() for one in pipeline.tables}
    if table not in tables:
        raise NotFoundError("table", table, list(tables))
    if again == bool(keys):
        raise typer.BadParameter("give --key, or --again")
    if not (yes or dry_run) and as_json:
        raise typer.BadParameter("--json goes with --yes or --dry-run: nobody can be asked")

    def confirm(report: "Report") -> bool:
        if not yes:
            _show([report], as_json=False)
            if not typer.confirm("Forget these rows for good?"):
                raise typer.Exit(1)
        return True

    actor = getpass.getuser()
    if again:
        reports = erasure.forget_again(
            settings, declared, tables[table], actor=actor, why=why, dry_run=dry_run, confirm=confirm, say=tell
        )
    else:
        entity = erasure.entity_of(tables[table], keys or [])
        reports = [
            erasure.forget(settings, declared, entity, actor=actor, why=why, dry_run=dry_run, confirm=confirm, say=tell)
        ]
    _show(reports, as_json=as_json)


def _show(reports: "list[Report]", *, as_json: bool) -> None:
    if as_json:
        emit_json([asdict(report) for report in reports])
        return
    if not any(report.counts for report in reports):
        say("There is nothing to forget.")
        return
    for report in reports:
        emit_table([{"where": place, "gone" if report.done else "to go": n} for place, n in report.counts.items()])
        if report.versions:
            them = counted(len(report.versions), "version")
            say(
                f"{them} learnt from these rows and cannot be reproduced any more: {listed(list(report.versions), 20)}."
            )
        for line in report.unreached:
            note(line)
