"""The command about alerts: list, check and deliver."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import alarm, emit_json, note, say

if TYPE_CHECKING:
    from ml_platform.monitoring.delivery import Delivery
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.views.undeclared import Undeclared


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(alerts)


def alerts(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    check: Annotated[bool, typer.Option("--check", help="First check for data that should have arrived.")] = False,
    deliver: Annotated[bool, typer.Option("--deliver", help="Then send pending alerts on the channels.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of alerts, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first, with their deliveries. Runs raise and deliver alerts automatically."""
    from ml_platform.runtime import step_alerts
    from ml_platform.spec.pipeline import ModelPipeline

    workspace = opening.writing() if check or deliver else opening.reading()
    wanted: Sequence[ModelPipeline | Undeclared] = (
        [opening.declared_or_recorded(workspace, pipeline)]
        if pipeline
        else list(opening.declarations().pipelines.values())
    )
    if check:
        step_alerts.check_freshness(workspace, [one for one in wanted if isinstance(one, ModelPipeline)])
    ends = step_alerts.deliver(workspace, alarm) if deliver else []
    rows = _rows(workspace, wanted if pipeline else None)
    if as_json:
        emit_json(rows[:limit])
    else:
        for row in rows[:limit]:
            _show(row)
        if not rows:
            say("There are no alerts.")
        elif len(rows) > limit:
            note(f"These are the newest {limit} of {len(rows):,}; --limit shows more.")
    failed = sorted({end.error for end in ends if end.error})
    for error in failed:
        note(f"not delivered: {error}")
    if failed:
        raise typer.Exit(1)


def _rows(workspace: "Workspace", wanted: "Sequence[ModelPipeline | Undeclared] | None") -> list[dict[str, Any]]:
    from ml_platform.monitoring.delivery import deliveries
    from ml_platform.state.alerts import raised

    about = {one.name for one in wanted or []}
    named = [table.name for one in wanted or [] for table in getattr(one, "tables", ())]
    tables = {f"{layer}/{table}" for table in named for layer in ("raw", "validated")}
    by_alert = deliveries(workspace.state)
    return [
        {**asdict(item), "deliveries": [_delivery(end) for end in by_alert.get(item.alert_id, [])]}
        for item in raised(workspace.state)
        if wanted is None or item.asset in tables or item.asset.partition("/")[0] in about
    ]


def _delivery(end: "Delivery") -> dict[str, Any]:
    return {name: value for name, value in asdict(end).items() if name != "alert_id"}


def _show(row: dict[str, Any]) -> None:
    say(
        f"{row['raised_at']:%Y-%m-%d %H:%M}  {row['title']}", style="bold red" if row["severity"] == "error" else "bold"
    )
    say(f"  {row['text']}")
    if row["link"]:
        say(f"  {row['link']}")
    ends = [f"{end['state']} ({end['channel']}, attempt {end['attempt']})" for end in row["deliveries"]]
    say(f"  {'; '.join(ends) or 'not delivered yet'}", style="dim")
