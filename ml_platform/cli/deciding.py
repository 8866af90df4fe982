"""Commands about retraining: decisions, retrain."""

import getpass
from typing import Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName, Why
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines, emit_table, note


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (decisions, retrain):
        app.command(cls=Command)(command)


def decisions(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """List retraining decisions, newest first, with outcome, reason and evidence. Decisions are never changed."""
    from ml_platform.views.decisions import history

    declared = opening.declared(pipeline)
    rows = history(opening.reading(), declared.name)
    if as_json:
        emit_json([{"pipeline": pipeline, **row} for row in rows])
        return
    shown = [
        {
            "taken": row["recorded_at"].replace(second=0, microsecond=0),
            "partition": row["partition"],
            "outcome": row["outcome"],
            "counts": row["counts"] or None,
            "drift": row["evidence"].get("drift"),
            "reason": row["reason"],
        }
        for row in rows
    ]
    emit_table(shown, title=pipeline, empty=f"{pipeline} has no decision yet: `ml-platform run {pipeline}`.")


def retrain(
    pipeline: PipelineName,
    why: Why,
    partition: Annotated[
        str | None,
        typer.Option(
            metavar="PARTITION", help="Train with the data known by the end of this partition; default the newest."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model although the policy skipped it. Records a manual decision under your name.

    Every gate still judges the candidate. Repeating the command changes nothing. Use it after a change of the
    declaration to train the first model with it: models of past partitions are never rewritten.
    """
    from ml_platform.retraining.policy import ManualRequest
    from ml_platform.runtime.settled import outdated_training
    from ml_platform.state.publishing import publish
    from ml_platform.steps.all_steps import STEPS, planner
    from ml_platform.steps.candidate import version_of
    from ml_platform.steps.decision import newest, request

    declared = opening.declared(pipeline)
    if partition is not None:
        declared.partition_keys(partition)  # a partition that does not exist is refused before anything is opened
    workspace = opening.writing()
    wanted = partition or newest(workspace, declared)
    replaces = outdated_training(workspace, declared, STEPS, wanted)
    decision, new = request(workspace, declared, wanted, ManualRequest(getpass.getuser(), why, replaces))
    publish(workspace)
    answer: dict[str, Any] = {
        "pipeline": pipeline,
        "partition": wanted,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "new": new,
    }
    emit_json(answer) if as_json else emit_lines(answer)
    if not new:
        note(f"The decision for {wanted} trains already; nothing changed.")
        done = version_of(workspace, declared, wanted)
        if done is not None and not planner(workspace, declared).remaining("train", wanted):
            note(f"Its training is done, and made {done.name}: the same data and declaration make the same model.")
            return
    note(f"`ml-platform run {pipeline}` starts the training. With `dagster dev` running, its sensor starts it.")
