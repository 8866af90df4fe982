"""The command that says what a run would do: plan."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, Only, PipelineName, Recompute, Through
from ml_platform.cli.command import Command
from ml_platform.cli.exit_codes import WORK
from ml_platform.cli.output import emit_json, emit_table, note, say
from ml_platform.naming import counted

if TYPE_CHECKING:
    from ml_platform.runtime.forecast import Forecast


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(plan)


def plan(
    pipeline: PipelineName,
    through: Through = None,
    only: Only = None,
    recompute: Recompute = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {WORK} where there is work, with 0 where there is none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what `run` would do, why, and how long it may take. Changes nothing.

    *will*: made whatever comes before it. *may*: depends on what the run finds or decides.
    """
    if through and only:
        raise typer.BadParameter("--through and --only exclude each other")
    settings, there = opening.settings(), opening.declarations()
    declared = there.find(pipeline)
    declared.partition_keys(through or only)  # a partition that does not exist is refused before anything is opened
    from ml_platform.discovery import slices_of
    from ml_platform.lake.known_files import one_look
    from ml_platform.runtime.forecast import forecast
    from ml_platform.steps.all_steps import planner
    from ml_platform.views.plan import document, workspace_for_plan

    with one_look(), workspace_for_plan(settings, slices_of(there.pipelines.values())) as workspace:
        planned = forecast(planner(workspace, declared, recompute=recompute), through, only)
    if as_json:
        emit_json(document(planned))
    else:
        _show(planned)
    if exit_code and planned.has_work:
        raise typer.Exit(WORK)


def _show(planned: "Forecast") -> None:
    if not planned.has_work:
        say(f"Nothing to do: a run of {planned.pipeline} would launch nothing.")
    rows = [
        {"asset": one.asset, "partition": one.partition, "made": one.certainty, "because": one.reason.text}
        for run in planned.runs
        for one in run.assets
        if not one.asset.startswith("quarantine/")
    ]
    if rows:
        emit_table(rows, title=planned.pipeline)
    for later in planned.later:
        note(f"Decided in the run: {later.text}.")
    for block in planned.blocks:
        note(block.text)
    if planned.has_work:
        note(_estimate(planned))


def _estimate(planned: "Forecast") -> str:
    unknown = len(planned.not_estimated)
    without = f" {counted(unknown, 'asset')} of which no duration is on record" if unknown else ""
    if not planned.seconds:
        return f"How long it may take is not known:{without}." if unknown else "What is sure takes no time."
    sure = f"What will be made may take {planned.seconds:.0f} s, by recorded durations"
    return f"{sure}, without{without}." if unknown else f"{sure}."
