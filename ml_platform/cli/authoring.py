"""The command that drafts a pipeline from a file: new."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.choosing import Choices, on_a_terminal
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_table, note, say

if TYPE_CHECKING:
    from ml_platform.authoring.columns import Column
    from ml_platform.authoring.draft import Draft
    from ml_platform.authoring.placing import Destination
    from ml_platform.authoring.proof import Proof

_SOURCE = typer.Option("--from", metavar="FILE", help="CSV, Parquet, NDJSON or JSON.", exists=True, dir_okay=False)
_KEY = typer.Option(metavar="COLUMN", help="The key column; repeat for several columns; `row`: the row number.")
_AT = typer.Option(metavar="COLUMN", help="The column of the prediction time; `none`: the rows have no time.")
_TARGET = typer.Option(metavar="COLUMN", help="The column to predict.")
_TASK = typer.Option(help="The task, if it differs from the one that the target's values suggest.")
_ZONE = typer.Option(metavar="ZONE", help="Time zone of times without an offset, such as Europe/Berlin.")
_DATES = typer.Option(help="Day first or month first, if the file does not show it.")
_DECIMAL = typer.Option(help="The decimal mark, if the file does not show whether 1.234 is one or a thousand.")
_ENCODING = typer.Option(metavar="NAME", help="How the text is encoded, such as cp1252 or utf-16; default UTF-8.")
_DROP = typer.Option(metavar="COLUMN", help="Leave a column out; repeat for several columns.")
_TO = typer.Option(
    metavar="FOLDER", help="Folder of the new module, made if missing. Default: the first package of pipelines."
)
_YES = typer.Option("--yes", "-y", help="Accept the guesses for options that are not given.")


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(new)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the pipeline and its module, such as churn.")],
    source: Annotated[Path, _SOURCE],
    key: Annotated[list[str] | None, _KEY] = None,
    at: Annotated[str | None, _AT] = None,
    target: Annotated[str | None, _TARGET] = None,
    task: Annotated[Literal["binary", "multiclass", "regression"] | None, _TASK] = None,
    time_zone: Annotated[str | None, _ZONE] = None,
    dates: Annotated[Literal["dmy", "mdy"] | None, _DATES] = None,
    decimal: Annotated[Literal["point", "comma"] | None, _DECIMAL] = None,
    encoding: Annotated[str | None, _ENCODING] = None,
    drop: Annotated[list[str] | None, _DROP] = None,
    to: Annotated[Path | None, _TO] = None,
    yes: Annotated[bool, _YES] = False,
    as_json: AsJson = False,
) -> None:
    """Draft the declaration of a pipeline, and its tests, from a file.

    Existing files are never overwritten, and nothing is run or landed. The next commands are printed.
    """
    from ml_platform.authoring.declaration import declaration
    from ml_platform.authoring.draft import drafted
    from ml_platform.authoring.formatting import check_installed, formatted
    from ml_platform.authoring.identifiers import check_name, table_name
    from ml_platform.authoring.looking import Answers, look
    from ml_platform.authoring.opened import opened
    from ml_platform.authoring.placing import destination, publish
    from ml_platform.authoring.promises import promises
    from ml_platform.authoring.proof import prove
    from ml_platform.authoring.roles import roles
    from ml_platform.authoring.uses import uses
    from ml_platform.discovery import pipelines

    check_installed()
    settings = opening.settings()
    declared = pipelines(settings)
    check_name(name, declared)
    where = destination(name, to, settings.pipelines)
    with opened(source, settings, encoding=encoding) as file:
        columns = look(file, Answers(tuple(drop or ()), dates, decimal, (at,) if at else ()))
        if not as_json:
            emit_table([_seen(column) for column in columns], title=f"{file.path}: {file.rows:,} rows")
        choices = Choices(file, columns, name, ask=not as_json and not yes and on_a_terminal(), yes=yes)
        moment = choices.at(at)
        identity = choices.key(key, moment)
        wanted = choices.target(target, identity, moment)
        zone = choices.zone(time_zone, moment)
        choices.refuse_what_is_missing()
        chosen = roles(identity, moment, wanted, task, columns)
        tables = {table.name for pipeline in declared.values() for table in pipeline.tables}
        draft = drafted(name, table_name(file.stem, name, tables), file, uses(columns, chosen), chosen, zone)
        text = formatted(declaration(draft), where.declaration, where.module)
        proof = prove(text, draft)
        tests = formatted(promises(draft, where.module, proof.pipeline), where.tests, where.module)
    publish({where.declaration: text, where.tests: tests})
    following = _following(draft, source, where, settings.pipelines)
    if as_json:
        emit_json(_summary(draft, proof, choices, where, following))
    else:
        _explain(draft, proof, choices, where, following)


def _seen(column: "Column") -> dict[str, Any]:
    return {
        "column": column.name,
        "type": column.kind,
        "nulls": column.nulls,
        "distinct": column.distinct,
        "values": _values(column),
        "remarks": "; ".join(column.reading.remarks),
    }


def _values(column: "Column") -> str:
    if column.kind == "text" and not column.categories:
        return f"{column.low} to {column.high} characters"
    if column.kind in ("text", "boolean"):
        return ", ".join(map(str, column.categories[:8])) + (", …" if len(column.categories) > 8 else "")
    if not column.distinct:
        return ""
    low, high = column.low, column.high
    if column.kind == "moment" and column.naive:  # the clock of the file: its zone may not be chosen yet
        low, high = low.replace(tzinfo=None), high.replace(tzinfo=None)
    return " to ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in (low, high))


def _following(draft: "Draft", source: Path, where: "Destination", packages: list[str]) -> list[str]:
    """The next commands, up to a judged candidate."""
    commands = []
    if not where.discovered:
        module = where.module.rpartition(".")[0] or where.module
        names = json.dumps(list(dict.fromkeys([*packages, module])))
        commands.append(f"export ML_PLATFORM_PIPELINES={shlex.quote(names)}  # {module} must be importable: PYTHONPATH")
    through = f" --through {draft.parts.first}" if draft.parts.first else ""
    return [
        *commands,
        f"ml-platform land {draft.name} {draft.table} {shlex.quote(str(source))}",
        f"ml-platform run {draft.name}{through}",
    ]


def _explain(draft: "Draft", proof: "Proof", choices: Choices, where: "Destination", following: list[str]) -> None:
    roles = draft.roles
    answer = (
        f", {roles.positive!r} against the rest" if roles.task == "binary" and roles.target.kind != "boolean" else ""
    )
    say("")
    say(f"{roles.task} of {roles.target.name!r}{answer}", style="bold")
    for use in draft.uses:
        if use.why:
            say(f"  no input: {use.column.name} – {use.why}")
    if roles.task == "regression" and roles.target.kind == "integer" and roles.target.categories:
        say(f"  {roles.target.distinct} whole numbers: --task multiclass would treat them as classes")
    if draft.untimed:
        say(f"  the split is at random: {draft.untimed}")
    for use in draft.uses:
        for remark in use.column.reading.remarks:
            say(f"  {use.column.name}: {remark}")
    for flag, guess in choices.taken.items():
        say(f"  guessed: {guess}" + (f"  # {choices.why[flag]}" if flag in choices.why else ""))
    for reason, rows in proof.refused.items():
        say(f"  {rows:,} of {proof.screened:,} rows will go to quarantine: {reason}")
    say("")
    emit_table([{"written": str(path)} for path in (where.declaration, where.tests)])
    say("", "Read it, then:", *(f"  {command}" for command in following))
    note("A Dagster UI that is open shows it after Lineage → Reload definitions.")
    if draft.parts.first:
        note("--through limits the run to the first months that can be trained. Without it, all months run.")


def _summary(
    draft: "Draft", proof: "Proof", choices: Choices, where: "Destination", following: list[str]
) -> dict[str, Any]:
    roles = draft.roles
    columns = [
        {
            "column": use.column.name,
            "name": use.column.clean,
            "type": use.column.kind,
            "nulls": use.column.nulls,
            "distinct": use.column.distinct,
            "low": draft.in_utc(use.column, use.column.low),
            "high": draft.in_utc(use.column, use.column.high),
            "levels": [draft.in_utc(use.column, level) for level in use.column.categories],
            "role": use.role,
            "remarks": [*use.column.reading.remarks, *([use.why] if use.why else [])],
        }
        for use in draft.uses
    ]
    return {
        "pipeline": draft.name,
        "table": draft.table,
        "rows": draft.opened.rows,
        "task": roles.task,
        "key": draft.keys,
        "at": roles.at.clean if roles.at else None,
        "target": roles.target.clean,
        "positive": roles.positive,
        "time_zone": draft.zone if draft.naive else None,
        "group": draft.roles.group.clean if draft.roles.group is not None else None,
        "random_split": draft.untimed or None,
        "guesses": [
            {"flag": flag, "given": text, "why": choices.why.get(flag)} for flag, text in choices.taken.items()
        ],
        "columns": columns,
        "quarantined": [{"reason": reason, "rows": rows} for reason, rows in proof.refused.items()],
        "written": [str(where.declaration), str(where.tests)],
        "next": following,
    }
