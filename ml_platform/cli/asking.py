"""Commands that query rows and check this machine: sql, quarantine, doctor."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.dagster_home import dagster_is_there
from ml_platform.cli.output import Rows, emit_json, emit_table, note, say
from ml_platform.naming import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.views.health_finding import Finding


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (sql, quarantine, doctor):
        app.command(cls=Command)(command)


def sql(
    query: Annotated[str, typer.Argument(metavar="SQL", help='Such as "FROM flight_delay.predictions LIMIT 5".')],
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=1_000_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Query the lake in SQL, read-only, also while runs write. The operational state is attached as `state`."""
    from ml_platform.lake.python_rows import python_rows
    from ml_platform.runtime.questions import answer as answer_to

    answer = answer_to(opening.settings(), query, limit=limit)
    rows = python_rows(answer.frame)
    if as_json:
        emit_json(rows)
    elif list(answer.types) == ["explain_key", "explain_value"]:
        say(*(line for row in rows for line in row["explain_value"].split("\n")))  # a drawing, not a cell
    else:
        emit_table(rows, exact=True, empty=f"No rows of {', '.join(answer.types)}.")
    if answer.more:
        note(f"{'This is' if limit == 1 else 'These are'} the first {counted(limit, 'row')}; --limit shows more.")


def quarantine(
    pipeline: PipelineName,
    replay: Annotated[
        bool, typer.Option("--replay", help="Validate the rejected rows again with the current rules.")
    ] = False,
    rows: Annotated[int, typer.Option(help="Show up to this many rejected rows.", min=0, max=10_000)] = 0,
    as_json: AsJson = False,
) -> None:
    """Count rejected rows by table, partition and rule. With --replay, count those that pass the current rules."""
    from ml_platform.validation import quarantine as rejected_rows

    if replay and rows:
        raise typer.BadParameter("--replay only counts and excludes --rows")
    declared = opening.declared(pipeline)
    if replay:
        _replay(declared, as_json=as_json)
        return
    workspace = opening.reading()
    if rows:
        shown = [
            {"table": table.name, **row}
            for table in declared.tables
            for row in rejected_rows.rows(workspace, table, limit=rows)
        ][:rows]
        emit_json(shown) if as_json else _show_rejected(shown)
        return
    counts = [asdict(count) for table in declared.tables for count in rejected_rows.counts(workspace.lake, table)]
    if as_json:
        emit_json(counts)
        return
    emit_table(counts, empty="Nothing is in quarantine.")
    if counts:
        note("--rows 20 shows the rows; --replay counts those that pass the current rules.")


def _show_rejected(rows: Rows) -> None:
    for row in rows:
        say(f"{row['table']} {row['partition']}: {row['file']}, row {row['row']:,}", style="bold")
        say(f"  {row['rule']}: {row['reason']}")
        say(f"  {row['raw']}")
    if not rows:
        say("Nothing is in quarantine.")


def _replay(declared: "ModelPipeline", *, as_json: bool) -> None:
    from ml_platform.steps.tables import replay

    workspace = opening.writing()
    replays = [replay(workspace, table) for table in declared.tables]
    if as_json:
        emit_json([asdict(one) for one in replays])
        return
    shown = [
        {"table": one.table, "pass now": one.passing, "still rejected": one.still, "stale": one.stale}
        for one in replays
        if one.passing or one.still or one.stale
    ]
    emit_table(shown, empty="Nothing is in quarantine.")
    for refusal in (refusal for one in replays for refusal in one.refused):
        note(f"refused: {refusal.error}")
    if any(one.stale for one in replays):
        say(f"`ml-platform run {declared.name}` recomputes the stale partitions and everything built on them.")
    elif shown:
        say("The current rules would not change the tables.")


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every data file and blob, and compare its hash.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check whether everything is healthy: machine, lake, data, champions, alerts, runs and sensors.

    Exits with 1 when something needs a person.
    """
    from ml_platform.discovery import declarations
    from ml_platform.views.health import examine

    findings = examine(opening.settings, declarations, _dagster if dagster_is_there() else None, deep=deep)
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(
                f"{finding.state:<4}  {finding.name}: {finding.detail}",
                style={"ok": "", "warn": "yellow", "bad": "red"}[finding.state],
            )
            if finding.remedy and finding.state != "ok":
                say(f"      {finding.remedy}")
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


def _dagster(settings: "Settings", pipelines: "Sequence[ModelPipeline]") -> "Iterator[Finding]":
    from ml_platform.orchestration.health import dagster_findings
    from ml_platform.orchestration.instances import opened_instance
    from ml_platform.orchestration.storage_faults import broken_files
    from ml_platform.views.health_finding import Finding

    faults = list(broken_files(Path(os.environ["DAGSTER_HOME"]), deep=True))
    yield from (Finding("Dagster", "bad", fault.what, fault.remedy) for fault in faults)
    if not faults:
        with opened_instance() as instance:
            yield from dagster_findings(instance, settings, pipelines)
