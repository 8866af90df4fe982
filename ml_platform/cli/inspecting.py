"""Commands that list declarations and results: pipelines, status, models."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.output import Rows, emit_json, emit_lines, emit_table, note, say
from ml_platform.errors import PlatformError

if TYPE_CHECKING:
    from ml_platform.runtime.planner import Planner
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (pipelines, status, models):
        app.command(cls=Command)(command)


def pipelines(as_json: AsJson = False) -> None:
    """List the declared pipelines with task, tables, features, gates and owners."""
    from ml_platform.discovery import pipelines as declared

    rows = [
        {
            "name": p.name,
            "task": p.task,
            "partitions": type(p.partitions).__name__ if p.partitions else None,
            "tables": [t.name for t in p.tables],
            "features": len(p.model_columns),
            "gates": len(p.all_gates),
            "owners": list(p.owners),
            "description": p.description,
        }
        for p in declared(opening.settings()).values()
    ]
    if as_json:
        emit_json(rows)
        return
    emit_table(
        [{k: v for k, v in row.items() if k != "description"} for row in rows],
        empty="No pipeline is declared in the modules of ML_PLATFORM_PIPELINES.",
    )


def status(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show rows, quarantined rows, gates, decision and champion per partition.

    `next` is the champion's metric on the following partition.
    """
    from ml_platform.discovery import pipelines as declared
    from ml_platform.views.status import months

    wanted = [opening.declared(pipeline)] if pipeline else list(declared(opening.settings()).values())
    workspace = opening.reading()
    rows = {one.name: months(workspace, one) for one in wanted}
    if as_json:
        emit_json([{"pipeline": name, **row} for name, table_rows in rows.items() for row in table_rows])
        return
    for name, table_rows in rows.items():
        show_months(name, table_rows)
    for one in wanted:
        _tell_waiting(workspace, one)
    tell_strays(workspace.settings)


def show_months(name: str, rows: Rows, title: str = "") -> None:
    """The rows of `views.status.months` for people: the metric in the header, the champion's number alone."""
    shown = []
    for row in rows:
        metric, kept = row["metric"], {k: v for k, v in row.items() if k not in ("metric", "realised")}
        after = {f"{metric} next" if row["partition"] != "all" else metric: row["realised"]}
        champion = (row["champion"] or "").removeprefix(name)
        shown.append(
            {
                "partition": kept.pop("partition"),
                "rows": kept.pop("rows"),
                "quarantined": kept.pop("quarantined"),
                **after,
                **kept,
                "champion": champion,
            }
        )
    emit_table(shown, title=title or name, empty=f"No run yet: `ml-platform run {name}`.")


def models(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE[@N]", help="A pipeline, or one of its versions, such as flight_delay@3.")
    ],
    history: Annotated[bool, typer.Option("--history", help="Show the promotion log instead.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Show the model card of a version, as Markdown.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of a pipeline. For one version, show every verdict or, with --card, its model card.

    --history shows the promotion log.
    """
    from ml_platform.views.status import promotion_rows, version_facts, version_rows

    name, at, _ = pipeline.partition("@")
    number = parse_version(pipeline)[1] if at else None
    if history and at:
        raise typer.BadParameter(f"--history needs a pipeline without a version: `ml-platform models {name} --history`")
    if card and (number is None or as_json):
        raise typer.BadParameter(f"--card needs a version, and prints Markdown: `ml-platform models {name}@N --card`")
    declared, workspace = opening.declared(name), opening.reading()
    if card and number is not None:
        from ml_platform.views.version_card import card_of

        say(card_of(workspace, declared, number).rstrip())
        return
    if number is not None:
        facts = version_facts(workspace, declared, number)
        emit_json(facts) if as_json else _show_version(facts)
        return
    rows = promotion_rows(workspace, declared.name) if history else version_rows(workspace, declared)
    if as_json:
        emit_json(rows)
    elif history:
        shown = ("action", "version", "previous", "actor", "reason")
        emit_table(
            [{"from": row["effective_at"], **{key: row[key] for key in shown}} for row in rows],
            title=f"{name}: champions",
            empty=f"{name} never had a champion.",
        )
    else:
        _show_versions(name, rows)


def _show_versions(name: str, rows: Rows) -> None:
    shown = [
        {
            "version": row["version"].removeprefix(name),
            "serves": row["serves"] or None,
            "partition": row["partition"],
            row["metric"]: row["holdout"],
            "gates": f"{row['gates_passed']} of {row['gates']}",
            "promoted": row["promoted"],
            "bundle": row["bundle"][:8],
            "seconds": row["seconds"],
        }
        for row in rows
    ]
    emit_table(shown, title=name, empty=f"{name} has no version yet: `ml-platform run {name}`.")


def _show_version(facts: dict[str, Any]) -> None:
    bounds = facts["bounds"]
    parts = {part: bounds[part].get("rows") for part in ("train", "validation", "holdout") if part in bounds}
    lines = {
        "version": facts["version"],
        "serves": facts["serves"],
        "partition": facts["partition"],
        "decided at": facts["decided_at"],
        "rows": [f"{rows:,} {part}" for part, rows in parts.items()],
        "training set": facts["training_set"][:12],
        "bundle": facts["bundle"][:12],
        "holdout": [f"{name} {value:.4g}" for name, value in facts["metrics"]["holdout"].items() if value is not None],
    }
    emit_lines(lines)
    say("")
    emit_table(
        [
            {
                "verdict": v["passed"],
                "gate": f"  {v['slice']}" if v["slice"] else v["gate"],
                "value": v["value"],
                "threshold": v["threshold"],
                "low": v["low"],
                "high": v["high"],
            }
            for v in facts["verdicts"]
        ],
        empty="No gate has judged it yet.",
    )
    for verdict in facts["verdicts"]:
        if verdict["passed"] != "passed":
            say(f"\n{verdict['passed']}: {verdict['gate']}", style="bold")
            say(verdict["detail"])


def tell_outdated(planner: "Planner") -> None:
    """Print a note if settled partitions keep results from before a change, with the commands to update them."""
    outdated, name = planner.outdated(), planner.pipeline.name
    if outdated:
        which = (
            f"{len(outdated)} settled partitions keep" if len(outdated) > 1 else f"{outdated[0]} is settled and keeps"
        )
        note(
            f"{which} predictions, decisions and models from before a change. `ml-platform retrain {name}` trains "
            f"with the change, `ml-platform run {name} --recompute` recomputes the past with it."
        )


def _tell_waiting(workspace: "Workspace", pipeline: "ModelPipeline") -> None:
    from ml_platform.steps.all_steps import planner as planner_of

    planner = planner_of(workspace, pipeline)
    tell_outdated(planner)

    looks = planner.pending()
    waiting = sum(len(look.paths) for look in looks)
    if waiting:
        note(f"{waiting} files wait: `ml-platform run {pipeline.name}` ingests them.")
    for awaited in planner.awaited():
        note(awaited)
    for sentence in (sentence for look in looks for sentence in [*look.problems, *look.remarks]):
        note(sentence)


def tell_strays(settings: "Settings") -> None:
    """Print a note for what lies in the landing folder and is read by no table, or by two."""
    from ml_platform.discovery import pipelines as declared
    from ml_platform.sources.landed import sentences, strays

    try:
        tables = [table for one in declared(settings).values() for table in one.tables]
    except PlatformError:
        return  # which files are nobody's is known only when every declaration loads; `doctor` names the broken one
    for sentence in sentences(strays(settings, tables)):
        note(sentence)
