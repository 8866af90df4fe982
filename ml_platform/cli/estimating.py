"""The command of estimated performance: estimates."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_table, note, say


class Spans(StrEnum):
    """Spans of a window."""

    PARTITION = "partition"
    WEEK = "week"
    DAY = "day"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("estimates", cls=Command)(estimates)


def estimates(
    pipeline: PipelineName,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the pipeline's headline.")] = None,
    window: Annotated[Spans, typer.Option(help="What a window is; weeks and days are UTC.")] = Spans.PARTITION,
    as_json: AsJson = False,
) -> None:
    """Estimate a metric of the champion's predictions before their labels, beside what was realised since."""
    from ml_platform.errors import UnfitArgument
    from ml_platform.evaluation.metrics import metrics_of
    from ml_platform.experiments.estimating import estimates as estimated
    from ml_platform.experiments.estimating import reconciled
    from ml_platform.monitoring.estimation.answer import BLIND

    declared = opening.declared(pipeline)
    name, names = metric or declared.headline, metrics_of(declared.task)
    if name not in names:
        raise UnfitArgument(f"{name!r} is no metric of a {declared.task} task.", remedy=f"Take {', '.join(names)}.")
    rows = estimated(opening.reading(), declared, name, window.value)
    past = reconciled(rows)
    if as_json:
        emit_json({"pipeline": pipeline, "metric": name, "blind_to": BLIND, "windows": rows, "past": past})
        return
    emit_table([_shown(row) for row in rows], title=f"{pipeline}: {name}", empty="No champion scored a window yet.")
    for row in rows:
        if row["not_estimable"]:
            say(f"{row['start']:%Y-%m-%d %H:%M}: not estimable ({row['not_estimable']}): {row['why']}")
    if past["windows"]:
        say(
            f"Past estimates: {past['windows']} windows, mean absolute error {past['mean_absolute_error']:.4f}, "
            f"{past['covered']:.0%} within the interval."
        )
    note(BLIND)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    estimate = "not estimable" if row["not_estimable"] else row["estimate"]
    names = ("low", "high", "realised", "error", "labelled")
    first = {
        "start": f"{row['start']:%Y-%m-%d %H:%M}",
        "version": row["version"],
        "rows": row["rows"],
        "estimate": estimate,
    }
    return first | {one: row[one] for one in names}
