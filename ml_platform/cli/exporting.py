"""The command that exports runs: runs export."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import complain, counting, emit_json, note, say

if TYPE_CHECKING:
    from ml_platform.state.database import State
    from ml_platform.tracking.exporting import ExportReport


def add(group: typer.Typer) -> None:
    """Add the command to the group `runs`."""
    group.command(cls=Command)(export)


def export(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Ask the server about every run, also those that were sent before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send the runs that an MLflow server lacks. MLFLOW_TRACKING_URI says which.

    Experiments and versions are sent with parameters, metrics, curves, tags, notes and models. What the server has
    is sent no second time. See docs/experiments.md.
    """
    from ml_platform.lake.blobs import Blobs
    from ml_platform.tracking import exporting
    from ml_platform.tracking.address import tracking_address
    from ml_platform.tracking.errors import TrackingError

    address = tracking_address()
    if address is None:
        raise TrackingError("No tracking server is set.", remedy="Set MLFLOW_TRACKING_URI, such as http://host:5000.")
    settings = opening.settings()
    with closing(opening.state(write=not dry_run)) as state, counting("runs", quiet=as_json or dry_run) as count:
        if pipeline and not _is_on_record(state, pipeline):
            opening.declared(pipeline)  # a name that nobody knows is an error
        if dry_run:
            report = exporting.unsent(state, address, pipeline)
        else:
            if again:
                exporting.forget(state, address)
            report = exporting.export(
                state, Blobs(settings), address, pipeline, wait=settings.lock_timeout, tell=lambda _: count()
            )
    if as_json:
        emit_json(exporting.as_json(report))
    else:
        _show(report, dry_run=dry_run)
    if not report.complete and not dry_run:
        raise typer.Exit(1)


def _is_on_record(state: "State", pipeline: str) -> bool:
    from ml_platform.state import experiments, versions

    return pipeline in versions.pipelines(state) or experiments.newest_metric(state, pipeline) is not None


def _show(report: "ExportReport", *, dry_run: bool) -> None:
    from ml_platform.naming import counted
    from ml_platform.tracking.exporting import summary

    if dry_run:
        recorded = len(report.remaining) + report.unchanged
        say(f"{report.server} lacks {counted(len(report.remaining), 'run')} of {recorded:,}.")
        if report.error:
            note(f"The last attempt: {report.error}")
        return
    say(summary(report))
    for run, why in report.refused.items():
        complain(f"Run {run}: {why}")
    for run, why in report.without_model.items():
        note(f"Run {run} has no model there: {why}")
    for name, version in report.champions.items():
        note(f"The alias champion of {name} names version {version} of MLflow's registry.")
    if report.error:
        complain(report.sentence())
