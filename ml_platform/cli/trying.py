"""The command of experiments: try."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.output import cell, complain, emit_json, emit_table, errors, note, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ml_platform.experiments.changing import Variant
    from ml_platform.experiments.trying import Request
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.spec.pipeline import ModelPipeline


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("try", cls=Command)(try_)


def try_(
    pipeline: PipelineName,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="A value of the declaration, such as trainer.num_leaves=63; 31,63: both.",
        ),
    ] = None,
    dropped: Annotated[
        list[str] | None,
        typer.Option(
            "--drop-feature", metavar="PATTERN", help="Features and inputs that the model does not see: weather__*."
        ),
    ] = None,
    months: Annotated[
        str | None,
        typer.Option("--months", "--through", metavar="PARTITION", help="The last partition whose data count."),
    ] = None,
    by: Annotated[list[str] | None, typer.Option(help="A column whose segments are compared, too.")] = None,
    every_gate: Annotated[
        bool,
        typer.Option("--all-gates", help="Measure also the gates that train again, replay examples or measure time."),
    ] = False,
    name: Annotated[str, typer.Option(help="A name for the list of runs.")] = "",
    text: Annotated[str, typer.Option("--note", help="A note about the experiment.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A tag, to find it by.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a changed declaration on the pipeline's own data and compare it with the champion.

    It changes nothing of the pipeline. What an experiment has computed is not computed again; several values make one
    run each. `ml-platform runs` lists what was tried.
    """
    from ml_platform.experiments.changing import variants
    from ml_platform.experiments.trying import Request
    from ml_platform.tracking.exporting import export_behind

    there = opening.declarations()
    base = there.find(pipeline)
    wanted = variants(base, settings or (), dropped or ())
    workspace = _workspace(list(there.pipelines.values()))
    request = Request(months, name, text, tuple(tags or ()), tuple(by or ()), every_gate)
    rows, failed = [], False
    for number, variant in enumerate(wanted, start=1):
        of = f" ({number} of {len(wanted)})" if len(wanted) > 1 else ""
        row = _one(workspace, base, variant, request, of, quiet=as_json, several=len(wanted) > 1)
        failed = failed or row is None
        if row is not None:
            rows.append(row)
            if row["reused"] and name and name != row["name"]:
                note(f"Run {row['run']} was on record before, and keeps its name: {row['name'] or 'none'}.")
            if not as_json:
                _show(row)
    if as_json:
        emit_json(rows)
    elif rows:
        last = rows[-1]["run"]
        note(f"`ml-platform runs {pipeline}` lists runs; `ml-platform runs patch {last}` prints this one as a patch.")
    export_behind(workspace.state, workspace.blobs, base.name, note)
    if failed:
        raise typer.Exit(1)


def _workspace(declared: "list[ModelPipeline]") -> "Workspace":
    from ml_platform.discovery import slices_of
    from ml_platform.runtime.workspace import Workspace

    return Workspace.open_for_reading(opening.settings(), slices_of(declared), records=True)


def _one(
    ws: "Workspace",
    base: "ModelPipeline",
    variant: "Variant",
    request: "Request",
    of: str,
    *,
    quiet: bool,
    several: bool,
) -> dict[str, Any] | None:
    """The finished run as JSON values; None for one that failed among several."""
    from ml_platform.errors import PlatformError
    from ml_platform.experiments.trying import attempt
    from ml_platform.interrupts import stop_if_arrived
    from ml_platform.views.run_comparison import run_of

    try:
        with _stages(f"{base.name}{of}", quiet=quiet) as tell:
            tried = attempt(ws, base, variant, request, tell)
    except PlatformError as error:
        stop_if_arrived()
        if not several:
            raise
        complain(f"{base.name}{of}: {error.what}", error.remedy)
        return None
    return {**run_of(ws.state, ws.blobs, str(tried.experiment.id)).to_json(), "reused": tried.reused}


@contextmanager
def _stages(title: str, *, quiet: bool) -> "Iterator[Callable[[str], None]]":
    """Tell each stage: on a terminal in one line that moves, elsewhere a note."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    live = errors.is_terminal and not quiet
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not live) as progress:
        task = progress.add_task(title, total=None)

        def tell(stage: str) -> None:
            progress.update(task, description=f"{title}: {stage}")
            if not live and not quiet:
                note(f"{title}: {stage}")

        yield tell


def _show(row: dict[str, Any]) -> None:
    """One finished run for people."""
    repeated = " is on record already; nothing was computed" if row["reused"] else ""
    title = f"Run {row['run']}{repeated}: {row['pipeline']} at {row['partition']}"
    say("", title, style="bold")
    say(f"  changed: {'; '.join(row['changed']) or 'nothing'}")
    emit_comparisons(row)
    emit_verdicts(row["verdicts"])


def emit_comparisons(row: dict[str, Any]) -> None:
    """The comparison with the champion, or why there is none."""
    if not row["comparisons"]:
        if row["status"] == "done":
            why = row["why_incomparable"] or "there is no champion"
            say(f"  {row['metric']} {cell(row['value'])}; not compared: {why}.")
        return
    emit_table(
        [
            {
                "metric": f"  {one['slice']}" if one["slice"] else one["metric"],
                "run": one["value"],
                f"@{row['champion']}": one["champion_value"],
                "better by": one["difference"],
                "low": one["low"],
                "high": one["high"],
                "rows": one["rows"],
                "shown": one["conclusion"] if one["low"] is not None else None,
            }
            for one in row["comparisons"]
        ]
    )


def emit_verdicts(verdicts: "Sequence[Mapping[str, Any]]") -> None:
    """Which gates it would pass."""
    outcomes: dict[str, list[str]] = {}
    for one in verdicts:
        if not one["slice"]:
            outcomes.setdefault(one["outcome"], []).append(one["gate"])
    for outcome, gates in outcomes.items():
        say(f"  gates {outcome}: {', '.join(gates)}", style="red" if outcome == "failed" else "")
    for one in verdicts:
        if one["outcome"] == "failed" and not one["slice"]:
            say(f"    {one['detail']}")
    if "not measured" in outcomes:
        note("--all-gates measures the others, too.")
