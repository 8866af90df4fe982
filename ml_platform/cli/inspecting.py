"""Commands that only read: pipelines, status, models, quarantine, sql, doctor."""

from typing import Annotated

import typer

from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.output import console, emit
from ml_platform.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (pipelines, status, models, quarantine, sql, doctor):
        app.command()(command)


def pipelines(as_json: AsJson = False) -> None:
    """The declared pipelines: task, tables, features, gates, owners."""
    from ml_platform.discovery import pipelines as declared

    rows = [
        {"name": p.name, "task": p.task, "partitions": type(p.partitions).__name__ if p.partitions else None,
         "tables": [t.name for t in p.tables], "features": len(p.model_columns), "gates": len(p.all_gates),
         "owners": list(p.owners), "description": p.description}
        for p in declared().values()
    ]  # fmt: skip
    if not as_json:
        rows = [{**row, "tables": ", ".join(row["tables"]), "owners": ", ".join(row["owners"])} for row in rows]
    emit(rows, as_json=as_json, empty="No pipeline is declared in the modules of ML_PLATFORM_PIPELINES.")


def status(
    pipeline: Annotated[str | None, typer.Argument(help="Name of a pipeline; all of them without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Per partition: rows, quarantined rows, the champion, its AUC or other first metric, what is stale."""
    from ml_platform.cli.opening import reading_workspace
    from ml_platform.discovery import find
    from ml_platform.discovery import pipelines as declared
    from ml_platform.steps.summary import months

    wanted = [find(pipeline)] if pipeline else list(declared().values())
    workspace = reading_workspace(Settings())
    rows = [{"pipeline": one.name, **row} for one in wanted for row in months(workspace, one)]
    emit(rows, as_json=as_json, empty="Nothing was run yet: `ml-platform run PIPELINE`.")


def models(
    pipeline: Annotated[str, typer.Argument(help="A pipeline, or one version of it as pipeline@number.")],
    as_json: AsJson = False,
) -> None:
    """The versions of a pipeline with metrics and gates; for pipeline@number, every verdict on that version."""
    from ml_platform.cli.opening import reading_workspace
    from ml_platform.discovery import find
    from ml_platform.steps.summary import verdict_rows, version_rows

    name, _, number = pipeline.partition("@")
    declared, workspace = find(name), reading_workspace(Settings())
    if number:
        from ml_platform.cli.arguments import parse_version

        emit(verdict_rows(workspace, declared, parse_version(pipeline)[1]), as_json=as_json, title=pipeline)
        return
    emit(version_rows(workspace, declared), as_json=as_json, title=name,
         empty=f"{name} has no version yet: `ml-platform run {name}`.")  # fmt: skip


def quarantine(
    pipeline: PipelineName,
    replay: Annotated[bool, typer.Option("--replay", help="Screen the files again after a mended rule.")] = False,
    rows: Annotated[int, typer.Option(help="Also show this many of the refused rows.", min=0, max=10_000)] = 0,
    as_json: AsJson = False,
) -> None:
    """Refused rows by table, partition and rule; with --replay, what passes now after a rule was mended."""
    from ml_platform.cli.opening import reading_workspace, writing_workspace
    from ml_platform.discovery import find
    from ml_platform.ingestion import quarantine as refused

    declared = find(pipeline)
    if replay:
        from ml_platform.steps.tables import replay as screen_again

        workspace = writing_workspace(Settings())
        emit([vars(r) for t in declared.tables for r in screen_again(workspace, t)], as_json=as_json,
             empty="Nothing is refused under another rule than today's.")  # fmt: skip
        return
    workspace = reading_workspace(Settings())
    counted = [row for table in declared.tables for row in refused.counts(workspace.lake, table.name)]
    emit(counted, as_json=as_json and not rows, empty="Nothing is in quarantine.")
    if rows:
        shown = [row for table in declared.tables for row in refused.rows(workspace.lake, table.name, limit=rows)]
        emit(shown[:rows], as_json=as_json)


def sql(
    query: Annotated[str, typer.Argument(help='A SELECT, such as "FROM flight_delay.predictions LIMIT 5".')],
    limit: Annotated[int, typer.Option(help="Rows at most.", min=1, max=1_000_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Ask the lake in SQL, read-only, while runs write."""
    from ml_platform.lake.query import ask

    answer = ask(Settings(), query, limit=limit)
    emit(answer.rows, as_json=as_json, empty="No rows.")
    if answer.cut and not as_json:
        console.print(f"The first {limit} rows; --limit shows more.")


def doctor(as_json: AsJson = False) -> None:
    """What could go wrong here: folders, lock, catalog, extensions, versions, declarations."""
    from ml_platform.cli.health import examine

    findings = examine(Settings())
    emit([vars(finding) for finding in findings], as_json=as_json)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)
