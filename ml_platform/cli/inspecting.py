"""Commands that list declarations and results: pipelines, status, models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, parse_version
from ml_platform.cli.command import Command
from ml_platform.cli.notes import tell_earlier, tell_strays, tell_waiting
from ml_platform.cli.output import Rows, complain, emit_json, emit_lines, emit_table, note, say, was_alarmed

if TYPE_CHECKING:
    pass


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (pipelines, status, models):
        app.command(cls=Command)(command)


def pipelines(as_json: AsJson = False) -> None:
    """List the declared pipelines with task, tables, features, gates and owners."""
    declared = opening.declarations()
    rows: list[dict[str, Any]] = [
        {
            "name": p.name,
            "task": p.task,
            "partitions": type(p.partitions).__name__ if p.partitions else None,
            "tables": [t.name for t in p.tables],
            "features": len(p.model_columns),
            "gates": len(p.all_gates),
            "owners": list(p.owners),
            "description": p.description,
            "problem": None,
        }
        for p in declared.pipelines.values()
    ]
    for one in declared.broken:
        for name in one.names or (one.address,):
            rows.append({**dict.fromkeys(_PIPELINE_COLUMNS), "name": name, "problem": str(one.error)})
    if as_json:
        emit_json(rows)
    else:
        shown = [{k: v for k, v in row.items() if k not in ("description", "problem")} for row in rows]
        for row, full in zip(shown, rows, strict=True):
            row["task"] = "does not load" if full["problem"] else row["task"]
        emit_table(shown, empty="No pipeline is declared in the modules of ML_PLATFORM_PIPELINES.")
        opening.tell_broken(declared)
    if declared.broken:
        raise typer.Exit(1)


_PIPELINE_COLUMNS = ("name", "task", "partitions", "tables", "features", "gates", "owners", "description", "problem")


def status(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every partition, not the newest 36 only. JSON has all.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show rows, quarantined rows, gates, outcome and champion per partition, and what the sensors gave up on.

    `next` is the champion's metric on the following partition. A pipeline whose declaration is broken or gone is shown
    by its records; a broken one makes the exit code 1.
    """
    from ml_platform.views.alert_health import given_up
    from ml_platform.views.canary_status import canary_phrase
    from ml_platform.views.pipelines import recorded_pipelines
    from ml_platform.views.status import SHOWN, status_rows
    from ml_platform.views.undeclared import recorded_months, undeclared

    declared = opening.declarations()
    workspace = opening.reading(declared)
    with workspace.reading():  # one look at everything
        names = [pipeline] if pipeline else [*declared.pipelines, *recorded_pipelines(workspace.state)]
        loaded = [declared.pipelines[name] for name in dict.fromkeys(names) if name in declared.pipelines]
        others = [name for name in dict.fromkeys(names) if name not in declared.pipelines]
        newest = None if everything or as_json else SHOWN
        rows = {one.name: status_rows(workspace, one, newest) for one in loaded}
        for name in others:
            rows[name] = recorded_months(workspace, undeclared(workspace, name, declared))
        abandoned = {name: given_up(workspace.state, name) for name in rows}
        broken = any(map(declared.problem, others)) if pipeline else bool(declared.broken)
        if as_json:
            emit_json(
                [
                    {"pipeline": name, **row, "given_up": [item.title for item in abandoned[name]]}
                    for name, table_rows in rows.items()
                    for row in (table_rows or ([{"partition": None}] if abandoned[name] else []))
                ]
            )
        else:
            for name, table_rows in rows.items():
                show_months(name, table_rows)
                if newest is not None and name in declared.pipelines:
                    tell_earlier(workspace, declared.pipelines[name])
                for item in abandoned[name]:
                    complain(item.title, item.text)
                if phrase := canary_phrase(workspace.state, name):
                    note(phrase)
            for one in loaded:
                tell_waiting(workspace, one)
            tell_strays(workspace.settings, declared)
            for name in others:
                if declared.problem(name) is None:
                    note(f"{name} is shown by its records only: its declaration is gone.")
            opening.tell_broken(declared)
    if broken:
        raise typer.Exit(1)


def show_months(name: str, rows: Rows, title: str = "", alarms: Sequence[str] = ()) -> None:
    """The rows of `views.status.months` for people: the metric in the header, the champion's number alone.

    What the lines of `alarms`, printed before, say of a candidate is not said again.
    """
    shown = []
    for row in rows:
        apart = ("metric", "realised", "reasons", "waits_for", "waiting_since")
        metric, kept = row["metric"], {k: v for k, v in row.items() if k not in apart}
        after = {f"{metric} next" if row["partition"] != "all" else metric: row["realised"]}
        champion = (row["champion"] or "").removeprefix(name)
        shown.append(
            {
                "partition": kept.pop("partition"),
                "rows": kept.pop("rows"),
                "quarantined": kept.pop("quarantined"),
                **after,
                "gates": kept["gates"],
                "outcome": kept["outcome"],
                "champion": champion,
            }
        )
    emit_table(shown, title=title or name, empty=f"No run yet: `ml-platform run {name}`.")
    for row in rows:
        if row["outcome"] in ("blocked", "waiting"):
            why = "; ".join(row["reasons"])  # the first says "blocked by data: …"
            if all(was_alarmed(reason, alarms) for reason in row["reasons"]):
                continue
            note(f"{name} {row['partition']}, candidate {why if row['outcome'] == 'blocked' else f'waiting: {why}'}.")


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
    from ml_platform.views.status import candidate_of, promotion_rows, version_facts, version_rows

    name, at, _ = pipeline.partition("@")
    number = parse_version(pipeline)[1] if at else None
    if history and at:
        raise typer.BadParameter(f"--history needs a pipeline without a version: `ml-platform models {name} --history`")
    if card and (number is None or as_json):
        raise typer.BadParameter(f"--card needs a version, and prints Markdown: `ml-platform models {name}@N --card`")
    there = opening.declarations()
    workspace = opening.reading(there)
    if card and number is not None:
        from ml_platform.views.version_card import card_of

        say(*card_of(workspace, there.find(name), number).rstrip().split("\n"))
        return
    declared = opening.declared_or_recorded(workspace, name, there)
    if number is not None:
        facts = version_facts(workspace, declared, number)
        emit_json(facts) if as_json else _show_version(facts)
        return
    rows = promotion_rows(workspace, declared.name) if history else version_rows(workspace, declared)
    if history:
        rows = [{**row, "candidate": candidate_of(workspace, name, row)} for row in rows]
    if as_json:
        emit_json(rows)
    elif history:
        shown = ["action", "candidate", "version", "previous", "actor", "reason"]
        shown += ["overrides"] if any(row["overrides"] for row in rows) else []
        emit_table(
            [
                {"from": row["effective_at"], **{_LOGGED.get(key, key): row[key] or None for key in shown}}
                for row in rows
            ],
            title=f"{name}: champions",
            empty=f"{name} never had a champion.",
        )
    else:
        _show_versions(name, rows)


_LOGGED = {"version": "serves", "previous": "before"}  # columns of the promotion log for people


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
            say("", f"{verdict['passed']}: {verdict['gate']}", style="bold")
            say(verdict["detail"])
