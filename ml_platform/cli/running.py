"""Commands that run a pipeline: run, demo."""

import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.output import console, emit, errors
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline

Through = Annotated[str | None, typer.Option(help="The last partition to run, such as 2013-06.")]
Only = Annotated[str | None, typer.Option(help="Run just this partition.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(run)
    app.command()(demo)


def run(pipeline: PipelineName, through: Through = None, only: Only = None, as_json: AsJson = False) -> None:
    """Bring a pipeline up to date through Dagster: what is stale is made, the rest is left alone.

    Without options: every complete partition. A rerun is a resume; with nothing stale, nothing is launched.
    """
    from ml_platform.discovery import find
    from ml_platform.orchestration.resources import workspace_for
    from ml_platform.steps.summary import months

    settings = Settings()
    declared = find(pipeline, settings)
    run_pipeline(declared, settings, through, only, quiet=as_json)
    emit(months(workspace_for(settings), declared), as_json=as_json, title=pipeline)


def demo(through: Annotated[str, typer.Option(help="The last month of 2013 to run.")] = "2013-06") -> None:
    """Land real flights of 2013 as monthly files and run `flight_delay` on them through Dagster."""
    from ml_platform.discovery import find
    from ml_platform.demo.nyc_flights import land_months
    from ml_platform.orchestration.resources import workspace_for
    from ml_platform.steps.summary import months

    settings = Settings()
    declared = find("flight_delay", settings)
    workspace = workspace_for(settings)
    landed = land_months(workspace.lake, through)
    console.print(f"{landed} files of 2013 landed in {settings.landing}." if landed else
                  f"The files are in {settings.landing} already.")  # fmt: skip
    run_pipeline(declared, settings, through, None)
    emit(months(workspace, declared), as_json=False, title="flight_delay: New York, 2013")
    console.print(
        "\nWhat to open next:\n"
        "  make dev                                  the same in Dagster's UI, http://127.0.0.1:3000\n"
        "  .venv/bin/ml-platform models flight_delay  every version with its verdicts\n"
        "  .venv/bin/ml-platform sql \"FROM flight_delay.predictions LIMIT 5\"\n",
        markup=False,
    )  # fmt: skip


def run_pipeline(
    pipeline: ModelPipeline, settings: Settings, through: str | None, only: str | None, *, quiet: bool = False
) -> int:
    """Run what is stale, with progress on the terminal; how many Dagster runs were launched."""
    from ml_platform.orchestration.resources import workspace_for
    from ml_platform.steps.plan import Planner

    planner = Planner(workspace_for(settings), pipeline)
    started, launched = time.perf_counter(), 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        task = progress.add_task("looking for what is stale", total=None)
        runner = None
        for wanted in planner.work(through, only):
            progress.update(task, total=wanted.of, completed=wanted.place,
                            description=f"{wanted.job} {wanted.partition}")  # fmt: skip
            if runner is None:
                from ml_platform.orchestration.runner import Runner

                runner = Runner(pipeline, settings, lambda asset, partition: progress.update(
                    task, description=f"{asset} {'' if partition == 'all' else partition}"))  # fmt: skip
            runner.run(wanted.job, wanted.partition, wanted.only)
            launched += 1
    if not quiet:
        took = time.perf_counter() - started
        errors.print(f"{launched} Dagster runs in {took:.1f} s." if launched else
                     f"Everything is up to date; nothing was launched ({took:.1f} s).")  # fmt: skip
        for problem in planner.problems():
            errors.print(f"[yellow]note[/yellow]  {problem}", soft_wrap=True)
    return launched


