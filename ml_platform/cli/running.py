"""Commands that run a pipeline: run, demo, example."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, Only, PipelineName, Recompute, Through
from ml_platform.cli.command import Command
from ml_platform.cli.exit_codes import FailOnOptions, exit_code_of
from ml_platform.cli.inspecting import show_months
from ml_platform.cli.launching import check_dagster, run_pipeline, run_to_its_end
from ml_platform.cli.notes import tell_earlier
from ml_platform.cli.output import emit_json, emit_table, note, say
from ml_platform.naming import counted

if TYPE_CHECKING:
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline

LandedThrough = Annotated[
    str | None, typer.Option(metavar="PARTITION", help="The last partition whose files are landed, such as 2013-06.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command(cls=Command)(run)
    app.command(cls=Command)(demo)
    app.command(cls=Command)(example)


def run(
    pipeline: PipelineName,
    through: Through = None,
    only: Only = None,
    recompute: Recompute = False,
    fail_on: FailOnOptions = None,
    as_json: AsJson = False,
) -> None:
    """Bring a pipeline up to date through Dagster. Only stale assets are materialized.

    Without options, every complete partition runs. Re-running skips finished work and continues after an interruption.
    Past predictions, decisions and models are never rewritten unless you pass `--recompute`.
    """
    if through and only:
        raise typer.BadParameter("--through and --only exclude each other")
    settings = opening.settings()
    declared = opening.declared(pipeline)
    declared.partition_keys(through or only)  # a partition that does not exist is refused before anything is opened
    check_dagster()
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.views.run_result import before, document, run_result

    workspace, alarms = workspace_for(settings), list[str]()
    since = before(workspace)
    ended = run_to_its_end(
        declared, settings, through, only, recompute=recompute, quiet=as_json, alarms=alarms, raises=not as_json
    )
    result = run_result(workspace, declared, since, ended)
    code = exit_code_of(result.outcome, fail_on or [])
    if as_json:
        emit_json(document(workspace, declared, result, ended, code))
    else:
        _show(workspace, declared, settings, alarms)
    if ended.error is not None:
        raise ended.error  # which `Command` prints, with its exit code
    if code:
        raise typer.Exit(code)


def _show(workspace: "Workspace", declared: "ModelPipeline", settings: "Settings", alarms: list[str]) -> None:
    """Print the newest partitions, or what to land where there is none."""
    from ml_platform.steps.decision import of
    from ml_platform.views.status import SHOWN, months

    pipeline, rows = declared.name, months(workspace, declared, SHOWN)
    if rows:
        show_months(pipeline, rows, alarms=alarms)
        tell_earlier(workspace, declared)
        if not rows[-1]["champion"] and rows[-1]["outcome"] == "skipped":
            note(f"No champion yet, no model was trained: {of(workspace, declared, rows[-1]['partition']).reason}")
    else:
        from ml_platform.demo.example import examples

        example_data = f" `ml-platform example {pipeline}` lands real data." if pipeline in examples() else ""
        say(
            f"No partition of {pipeline} is complete yet.{example_data} `ml-platform land {pipeline} TABLE FILE…` "
            f"lands files in {settings.landing}."
        )


def demo(
    through: Annotated[str, typer.Option(metavar="MONTH", help="The last month of 2013 to run.")] = "2013-06",
) -> None:
    """Land real flights of 2013 as monthly files and run `flight_delay` on them through Dagster."""
    settings = opening.settings()
    declared = opening.declared("flight_delay")
    declared.partition_keys(through)  # a month that does not exist is refused before anything lands
    check_dagster()
    from ml_platform.demo.nyc_flights import land_months
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.views.status import months

    workspace = workspace_for(settings)
    landed = land_months(workspace.settings, through)
    say(
        f"{counted(landed, 'file')} of 2013 landed in {settings.landing}."
        if landed
        else f"The files are in {settings.landing} already."
    )
    run_pipeline(declared, settings, through, None)
    show_months("flight_delay", months(workspace, declared), title="flight_delay: New York, 2013")
    say(
        "",
        "What to open next:",
        "  make dev                                    the same in Dagster's UI, http://127.0.0.1:3000",
        "  .venv/bin/ml-platform models flight_delay   every version with its gates",
        '  .venv/bin/ml-platform sql "FROM flight_delay.predictions LIMIT 5"',
    )


def example(
    name: Annotated[
        str | None, typer.Argument(metavar="PIPELINE", help="The pipeline to try; without it, all examples are listed.")
    ] = None,
    through: LandedThrough = None,
    show_list: Annotated[bool, typer.Option("--list", help="List all examples, as without a pipeline.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add one of the shipped pipelines, with real data. The data are fetched once and cached.

    Landed files are kept. `--through` lands files up to that partition, and the file that completes it.
    """
    from ml_platform.demo.example import examples, find
    from ml_platform.shipped import add, left_out

    settings = opening.settings()
    if name is None or show_list:
        if through:
            raise typer.BadParameter("--through without a pipeline")
        hidden = left_out(settings)
        listing = [
            {"pipeline": one.pipeline, "added": one.pipeline not in hidden, "source": one.source}
            for one in examples().values()
        ]
        emit_json(listing) if as_json else emit_table(listing)
        return
    wanted = find(name)
    if add(settings, name):
        note(f"{name} is added: it shows in every command, and in Dagster after Lineage → Reload definitions.")
    declared = opening.declared(name)
    if through and declared.partitions is None:
        raise typer.BadParameter(f"{name} has no partitions, so --through does not apply")
    declared.partition_keys(through)  # a month that does not exist is refused before anything is fetched
    workspace = opening.writing()
    landed = wanted.land(workspace.settings, through)
    if as_json:
        emit_json({"pipeline": name, "landed": landed, "folder": str(workspace.settings.landing)})
        return
    where = workspace.settings.landing
    say(f"{counted(landed, 'file')} landed in {where}." if landed else f"The files are in {where} already.")
    note(f"`ml-platform run {name}{f' --through {through}' if through else ''}` ingests them.")
