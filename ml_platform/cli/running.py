"""Commands that run a pipeline: run, demo, example."""

import os
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.inspecting import show_months
from ml_platform.cli.notes import tell_earlier, tell_outdated, tell_strays
from ml_platform.cli.output import alarm, emit_json, emit_table, errors, note, say, was_alarmed
from ml_platform.errors import PlatformError
from ml_platform.naming import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ml_platform.runtime.planner import Planner, Work
    from ml_platform.settings import Settings
    from ml_platform.spec.declarations import Declarations
    from ml_platform.spec.pipeline import ModelPipeline

Through = Annotated[str | None, typer.Option(metavar="PARTITION", help="The last partition to run, such as 2013-06.")]
LandedThrough = Annotated[
    str | None, typer.Option(metavar="PARTITION", help="The last partition whose files are landed, such as 2013-06.")
]
Only = Annotated[str | None, typer.Option(metavar="PARTITION", help="Run only this partition.")]
Recompute = Annotated[
    bool, typer.Option("--recompute", help="Recompute settled partitions too, with new predictions and models.")
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
    alarms: list[str] = []
    from ml_platform.lake.known_files import one_look

    with one_look():  # from the opening on
        run_pipeline(declared, settings, through, only, recompute=recompute, quiet=as_json, alarms=alarms)
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.steps.decision import of
    from ml_platform.views.status import SHOWN, months

    workspace = workspace_for(settings)
    rows = months(workspace, declared, None if as_json else SHOWN)
    if as_json:
        emit_json([{"pipeline": pipeline, **row} for row in rows])
    elif rows:
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


def check_dagster() -> None:
    """Check that Dagster is installed and has a home: DAGSTER_HOME, or `.dagster` in the working directory."""
    if find_spec("dagster") is None:
        raise PlatformError(
            "Dagster is not installed, and runs need it.",
            remedy="`pip install 'ml_platform[dagster]'`, or `make install`.",
        )
    from ml_platform.views.machine_health import DAGSTER_HOME_REMEDY, dagster_home

    home = os.environ["DAGSTER_HOME"] = dagster_home()
    if not home or not Path(home).is_absolute() or not Path(home).is_dir():
        raise PlatformError(
            f"DAGSTER_HOME is {home}, which is not an existing absolute folder."
            if home
            else "DAGSTER_HOME is not set, and Dagster stores its run history there.",
            remedy=DAGSTER_HOME_REMEDY,
        )


def run_pipeline(
    pipeline: "ModelPipeline",
    settings: "Settings",
    through: str | None,
    only: str | None,
    *,
    recompute: bool = False,
    quiet: bool = False,
    alarms: list[str] | None = None,
) -> int:
    """Run stale assets with progress on the terminal. Returns the number of Dagster runs launched.

    Waits for the end of a run that somebody else began of the same assets, and then plans anew.
    `alarms` gets the lines of the alerts that were printed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ml_platform.discovery import declarations
    from ml_platform.orchestration.alive import at_the_terminal
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.runtime.ranges import divided
    from ml_platform.state.publishing import publish_again
    from ml_platform.steps.all_steps import planner as planner_of

    printed = alarms if alarms is not None else []

    def tell(line: str) -> None:
        alarm(line)
        printed.append(line)

    planner = planner_of(workspace_for(settings), pipeline, recompute=recompute)
    started, launched, published = time.perf_counter(), 0, 0
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    live = errors.is_terminal and not quiet
    with (
        ExitStack() as opened,
        at_the_terminal(settings, pipeline.name),
        Progress(*columns, console=errors, transient=True, disable=not live) as progress,
    ):
        task = progress.add_task("looking for stale assets", total=None)
        runner = None

        def shown(works: "Iterable[Work]") -> "Iterator[Work]":
            for wanted in works:
                progress.update(task, total=wanted.total, completed=wanted.index, description=wanted.title)
                if not live and not quiet:
                    note(wanted.title)
                yield wanted

        def waits(active: str) -> None:
            note(f"Waiting for another run of the same assets: {active} Ctrl-C ends this command and not that run.")
            progress.update(task, description="waiting for another run")

        def stage(text: str) -> None:
            progress.update(task, description=f"{pipeline.name}: {text}")
            if not live and not quiet:
                note(f"{pipeline.name}: {text}")

        waited = True
        while waited:
            waited = False
            for run in divided(pipeline, shown(planner.work(through, only))):
                if runner is None:
                    from ml_platform.orchestration.runner import Runner

                    runner = opened.enter_context(
                        Runner(
                            pipeline,
                            settings,
                            lambda asset, partition: progress.update(
                                task, description=f"{asset} {'' if partition == 'all' else partition}"
                            ),
                            on_alert=tell,
                            on_stage=stage,
                        )
                    )
                waited = runner.waited_for_others(waits)
                if waited:
                    break  # the other run may have made what was planned
                runner.run_all(run)
                launched += 1
        if not launched:  # a Dagster run does it at its end
            published = publish_again(planner.ws)
    if only is None and (through is None or planner.complete()[-1:] <= [through]):
        planner.keep_settled()
    if not quiet:
        took = time.perf_counter() - started
        with planner.ws.reading():  # one look at everything
            _tell_end(planner, declarations(settings), launched, published, took, printed)
    return launched


def _tell_end(
    planner: "Planner", declared: "Declarations", launched: int, published: int, seconds: float, alarms: list[str]
) -> None:
    """Print how many runs there were, how many lost rows were published again, and what the alerts did not say."""
    looks = planner.pending()
    if launched:
        note(f"{counted(launched, 'Dagster run')} in {seconds:.1f} s.")
    elif any(look.unavailable for look in looks) or not planner.complete():
        note(f"Nothing was launched ({seconds:.1f} s).")
    else:
        note(f"Everything is up to date; nothing was launched ({seconds:.1f} s).")
    if published:
        note(f"Lost rows of lineage and registry were written again: {counted(published, 'row')}.")
    awaited = dict.fromkeys(planner.awaited())
    for sentence in awaited:
        note(sentence)
    if planner.unlearnt():
        tell_outdated(planner)
    for sentence in dict.fromkeys(sentence for look in looks for sentence in [*look.problems, *look.remarks]):
        if not was_alarmed(sentence.removeprefix("Refused: "), alarms):
            note(sentence)
    tell_strays(planner.ws.settings, declared)
