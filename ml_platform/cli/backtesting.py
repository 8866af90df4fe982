"""The command of backtests: backtest."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.output import cell, emit_json, emit_table, note, say


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("backtest", cls=Command)(backtest)


def backtest(
    pipeline: PipelineName,
    policies: Annotated[
        str, typer.Option(metavar="A,B,…", help="Policies to compare.")
    ] = "declared,never,monthly,quarterly,drift,realised,cusum,oracle",
    price: Annotated[
        float, typer.Option(min=0, max=1e9, help="Price of a training, in units of the metric on one partition.")
    ] = 0.0,
    through: Annotated[str | None, typer.Option(metavar="PARTITION", help="The last partition to replay.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the plot.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay retraining policies over history and compare them. It changes nothing of the pipeline."""
    from ml_platform.discovery import slices_of
    from ml_platform.experiments.backtesting import matrix_of
    from ml_platform.retraining.backtest.comparing import compared
    from ml_platform.retraining.backtest.policies import check_names
    from ml_platform.runtime.workspace import Workspace

    names = [name.strip() for name in policies.split(",")]
    check_names(names)
    there = opening.declarations()
    base = there.find(pipeline)
    ws = Workspace.open_for_reading(opening.settings(), slices_of(there.pipelines.values()), records=True)
    matrix = matrix_of(ws, base, through, lambda stage: note(f"{pipeline}: {stage}"))
    prices = list(dict.fromkeys([price, *((0.0, price / 2, price * 2) if price else (0.002, 0.005, 0.01, 0.02))]))
    answers = [compared(matrix, names, base.retrain, base.drift.weighted, each) for each in prices]
    result = {
        **answers[0],
        "pipeline": pipeline,
        "sensitivity": [{"price": one["price"], "recommended": one["recommended"]} for one in answers],
    }
    if html is not None:
        html.write_text(_page(result), encoding="utf-8")
        note(f"Written: {html}")
    if as_json:
        emit_json(result)
        return
    emit_table(_rows(result), title=f"{pipeline}: {result['metric']} on {len(result['partitions'])} partitions")
    say(f"Recommended: {result['recommended'] or 'nothing'}. {result['why']}")
    for one in result["sensitivity"]:
        say(f"  at a price of {one['price']:g}: {one['recommended'] or 'nothing'}")


def _rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    shown = ("policy", "mean", "low", "high", "worst", "worst_partition", "trainings", "seconds", "cost", "regret")
    return [{name.replace("_", " "): one[name] for name in shown} for one in result["policies"]]


def _page(result: dict[str, Any]) -> str:
    from ml_platform.escaping import html_text, page_without_script
    from ml_platform.plots.backtest import by_policy

    rows = _rows(result)
    head = "".join(f"<th>{html_text(name)}</th>" for name in (rows[0] if rows else ()))
    body = "".join("<tr>" + "".join(f"<td>{html_text(cell(v))}</td>" for v in row.values()) + "</tr>" for row in rows)
    plot = ""
    if rows:
        drawn = by_policy(result["metric"], {one["policy"]: one["by_partition"] for one in result["policies"]}).decode()
        plot = drawn[drawn.index("<svg") :]
    title = f"Backtest of {result['pipeline']}"
    advice = f"Recommended: {result['recommended'] or 'nothing'}. {result['why']}"
    text = f"<h1>{html_text(title)}</h1><p>{html_text(advice)}</p><table><tr>{head}</tr>{body}</table>{plot}"
    return page_without_script(title, "body{font-family:sans-serif} td,th{padding:.2em .6em}", text)
