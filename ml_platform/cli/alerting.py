"""The commands about alerts: list, check, deliver and resolve."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, Why
from ml_platform.cli.command import Command, ListByDefault
from ml_platform.cli.output import alarm, emit_json, note, say
from ml_platform.errors import NotFoundError

if TYPE_CHECKING:
    from ml_platform.monitoring.delivery import Delivery
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.state.alerts import Alert
    from ml_platform.views.undeclared import Undeclared


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(cls=ListByDefault, help="List alerts, or resolve some. Without a command: list.")
    group.command("list", cls=Command)(listed)
    group.command(cls=Command)(resolve)
    app.add_typer(group, name="alerts")


def listed(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="First check for data that should have arrived, and for causes that are gone."),
    ] = False,
    deliver: Annotated[bool, typer.Option("--deliver", help="Then send pending alerts on the channels.")] = False,
    only_open: Annotated[bool, typer.Option("--open", help="Only alerts that are not resolved.")] = False,
    limit: Annotated[int, typer.Option(help="Maximum number of alerts, newest first.", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List alerts, newest first, with their deliveries. Runs raise, resolve and deliver alerts automatically."""
    from ml_platform.runtime import step_alerts
    from ml_platform.spec.pipeline import ModelPipeline

    there = opening.declarations()
    declared = list(there.pipelines.values())
    workspace = opening.writing(there) if check or deliver else opening.reading(there)
    wanted: Sequence[ModelPipeline | Undeclared] = (
        [opening.declared_or_recorded(workspace, pipeline, there)] if pipeline else declared
    )
    if check:
        step_alerts.check_data(workspace, [one for one in wanted if isinstance(one, ModelPipeline)], others=declared)
    ends = step_alerts.deliver(workspace, alarm) if deliver else []
    rows = [row for row in _rows(workspace, wanted if pipeline else None) if not (only_open and row["resolved_at"])]
    if as_json:
        emit_json(rows[:limit])
    else:
        for row in rows[:limit]:
            _show(row)
        if not rows:
            say("There are no open alerts." if only_open else "There are no alerts.")
        elif len(rows) > limit:
            note(f"These are the newest {limit} of {len(rows):,}; --limit shows more.")
    failed = sorted({end.error for end in ends if end.error})
    for error in failed:
        note(f"not delivered: {error}")
    if failed:
        raise typer.Exit(1)


def resolve(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Alerts, by their ids or the beginnings of them.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Resolve alerts that need nobody any more, under your name. The same finding is not raised again.

    Alerts whose cause is gone are resolved by themselves.
    """
    from contextlib import closing

    from ml_platform.state import alerts
    from ml_platform.state.database import State

    with closing(State(opening.settings())) as state:
        recorded = alerts.raised(state)
        chosen = {_one(recorded, text): why for text in ids}
        resolved = {item.alert_id for item in alerts.resolve(state, chosen, by=getpass.getuser())}
        rows = [asdict(item) for item in alerts.raised(state) if item.alert_id in chosen]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        say(f"{row['alert_id']}  {row['title']}: {_state(row)}")
    if len(resolved) < len(chosen):
        note("Those that were resolved before stay as they were.")


def _one(recorded: "list[Alert]", text: str) -> str:
    """The id that begins with a text."""
    matches = [item.alert_id for item in recorded if item.alert_id.startswith(text)]
    if not matches:
        raise NotFoundError("alert", text, remedy="`ml-platform alerts --open` lists the open ones.")
    if len(matches) > 1:
        raise typer.BadParameter(f"{len(matches)} alerts begin with {text!r}; write more of the id.")
    return matches[0]


def _state(row: dict[str, Any]) -> str:
    if row["resolved_at"] is None:
        return "open"
    return f"resolved {row['resolved_at']:%Y-%m-%d %H:%M} by {row['resolved_by']}: {row['resolved_why']}"


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
    loud = "bold red" if row["severity"] == "error" else "bold"
    say(f"{row['raised_at']:%Y-%m-%d %H:%M}  {row['title']}", style=loud if row["resolved_at"] is None else "")
    say(f"  {row['text']}")
    if row["link"]:
        say(f"  {row['link']}")
    ends = [f"{end['state']} ({end['channel']}, attempt {end['attempt']})" for end in row["deliveries"]]
    say(f"  {row['alert_id']}, {_state(row)}; {'; '.join(ends) or 'not delivered yet'}", style="dim")
