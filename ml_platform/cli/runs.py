"""The commands about runs: list, show, compare, note, tag, remove and patch."""

import csv
import getpass
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import exporting, opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command, ListByDefault
from ml_platform.cli.output import cell, emit_json, emit_lines, emit_table, note, say
from ml_platform.cli.trying import emit_comparisons, emit_verdicts
from ml_platform.escaping import spreadsheet_text

if TYPE_CHECKING:
    from ml_platform.lake.blobs import Blobs
    from ml_platform.state.database import State

_DIGEST = re.compile("[0-9a-f]{64}")
_SHOWN = 50  # runs for people, unless --limit says otherwise

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="The number of an experiment, or a version such as flight_delay@3.")
]
Number = Annotated[int, typer.Argument(metavar="ID", help="The number of an experiment.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(cls=ListByDefault, help="List experiments and versions, or compare some. Default: list.")
    group.command("list", cls=Command)(listed)
    for command in (show, compare, patch, tag, remove):
        group.command(cls=Command)(command)
    group.command("note", cls=Command)(note_)
    exporting.add(group)
    app.add_typer(group, name="runs")


def listed(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    conditions: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="CONDITION", help="Such as 'num_leaves>31' or 'changes~weather'; all are met."),
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Runs with this tag only.")] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Sort by a column, parameter or metric; -FIELD: greatest first.")
    ] = None,
    group: Annotated[bool, typer.Option("--group", help="Group by training set.")] = False,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="The columns, which are remembered for you; `default` forgets them."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of runs; 0: all.", min=0)] = _SHOWN,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with the columns, all runs.")] = False,
    as_json: AsJson = False,
) -> None:
    """List experiments and the pipelines' own versions, newest first."""
    from ml_platform.views import run_selection

    with closing(opening.state(write=columns is not None)) as state:
        wanted = [*(conditions or ()), *(f"tags={one}" for one in tags or ())]
        chosen = run_selection.selected(state, pipeline, wanted, sort, 0 if as_csv else limit)
        if pipeline and not chosen.recorded:
            opening.declared(pipeline)  # a name that nobody knows is an error
        shown = _columns(state, columns, pipeline)
    rows = chosen.rows
    if as_json:
        emit_json(rows)
        return
    if as_csv:
        _write_csv(rows, shown)
        return
    groups = run_selection.grouped(rows) if group else [("", rows)]
    for digest, members in groups:
        title = f"training set {digest[:12] or 'none'}" if group else ""
        table = [{name: _brief(run_selection.field(row, name)) for name in shown} for row in members]
        emit_table(table, title=title, empty=_why_none(chosen.recorded))
    if chosen.matching > len(rows):
        note(f"These are {len(rows)} of {chosen.matching:,}; --limit shows more.")


def _columns(state: "State", wanted: str | None, pipeline: str | None) -> list[str]:
    """The columns to show: those that are wanted, which are remembered, or remembered before."""
    from ml_platform.errors import NotFoundError
    from ml_platform.state import annotations
    from ml_platform.views import run_selection, runs

    actor = getpass.getuser()
    if wanted is None:
        return annotations.chosen_columns(state, actor) or list(runs.COLUMNS)
    names = list(runs.COLUMNS) if wanted == "default" else [one.strip() for one in wanted.split(",") if one.strip()]
    if not set(names) <= set(runs.COLUMNS):
        existing = run_selection.fields_of(runs.run_rows(state, pipeline))
        for name in names:
            if runs.plain_name(name) not in existing and name not in existing:
                raise NotFoundError("column", name, sorted(existing))
    annotations.choose_columns(state, actor, names)
    return names


def _why_none(recorded: int) -> str:
    """Why no run is listed of so many that are on record."""
    if recorded:
        return f"None of the {recorded:,} runs meets the conditions."
    return "Nothing was tried yet: `ml-platform try PIPELINE --set PATH=VALUE`."


def _brief(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _write_csv(rows: list[dict[str, Any]], columns: list[str]) -> None:
    from ml_platform.views.run_selection import field

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_of_spreadsheet(field(row, name)) for name in columns])


def _of_spreadsheet(value: Any) -> Any:
    """A value as a cell of CSV. Numbers stay numbers."""
    if isinstance(value, list):
        return "; ".join(spreadsheet_text(str(one)) for one in value)
    if isinstance(value, str):
        return spreadsheet_text(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def show(run: RunName, as_json: AsJson = False) -> None:
    """Show one run: its changes, comparison with the champion, gates, parameters, data and notes."""
    from ml_platform.views.run_comparison import run_of

    with closing(opening.state()) as state:
        one = run_of(state, _blobs(state), run)
    if as_json:
        emit_json(one.to_json())
        return
    row = one.to_json()
    facts = ("run", "name", "status", "error", "pipeline", "partition", "actor", "started_at", "seconds", "tags")
    row["started_at"] = row["started_at"].replace(microsecond=0)
    emit_lines({name: row[name] for name in facts if row[name] not in ("", [], None)})
    parts = {part: one.bounds[part].get("rows") for part in ("train", "validation", "holdout") if part in one.bounds}
    emit_lines({"training set": row["training_set"][:12], "rows": [f"{rows:,} {part}" for part, rows in parts.items()]})
    if one.changes:
        emit_table([dict(change) for change in one.changes], title="Changes")
    if one.comparisons:
        emit_comparisons(row)
    emit_verdicts(row["verdicts"])
    emit_lines(row["parameters"])
    for written in one.notes:
        say(f"{written['written_at']:%Y-%m-%d %H:%M} {written['actor']}: {written['text']}")


def compare(
    first: RunName,
    second: RunName,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with plots, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: their declarations, parameters, data and metrics, side by side."""
    from ml_platform.views.run_comparison import differences, run_of, undeclared, with_curves

    with closing(opening.state()) as state:
        blobs = _blobs(state)
        pair = run_of(state, blobs, first), run_of(state, blobs, second)
    lines = differences(*pair)
    if html is not None:
        from ml_platform.views.run_page import page

        html.write_text(page(with_curves(blobs, pair[0]), with_curves(blobs, pair[1]), lines))
        note(f"Written: {html}")
    if as_json:
        listed_lines = [vars(line) for line in lines]
        emit_json({"first": pair[0].to_json(), "second": pair[1].to_json(), "differences": listed_lines})
        return
    rows = [
        {"what": f"{line.section}: {line.name}", first: _value(line.first), second: _value(line.second)}
        for line in lines
    ]
    emit_table(rows, empty="They differ in nothing.")
    if missing := undeclared(*pair):
        note(missing)


def _value(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = cell(value)
    return text[:12] if _DIGEST.fullmatch(text) else text


def note_(number: Number, text: Annotated[str, typer.Argument(help="The note.")], as_json: AsJson = False) -> None:
    """Add a note to an experiment."""
    from dataclasses import asdict

    from ml_platform.state import annotations

    with closing(opening.state(write=True)) as state:
        annotations.note(state, number, text, getpass.getuser())
        rows = [asdict(one) for one in annotations.notes(state, number)]
    if as_json:
        emit_json(rows)
    else:
        say(f"Run {number} has {len(rows)} notes." if len(rows) > 1 else f"Run {number} has a note.")


def tag(number: Number, tags: Annotated[list[str], typer.Argument(metavar="TAG…")], as_json: AsJson = False) -> None:
    """Add tags to an experiment."""
    from ml_platform.state import annotations

    with closing(opening.state(write=True)) as state:
        all_tags = annotations.tag(state, number, tags)
    emit_json({"run": number, "tags": list(all_tags)}) if as_json else say(f"Run {number}: {', '.join(all_tags)}")


def remove(
    numbers: Annotated[list[int], typer.Argument(metavar="ID…", help="Numbers of experiments.")],
    as_json: AsJson = False,
) -> None:
    """Remove experiments. `ml-platform maintain` then removes what only they used. Versions are never removed."""
    from ml_platform.state import experiments

    with closing(opening.state(write=True)) as state:
        experiments.end_dead(state)
        for number in numbers:
            experiments.remove(state, number)
    emit_json({"removed": numbers}) if as_json else say(f"Removed: {', '.join(map(str, numbers))}")


def patch(number: Number, as_json: AsJson = False) -> None:
    """Print the change of the declaration as a patch of its file, or what to change by hand.

    `ml-platform runs patch 12 | git apply` makes the experiment the declaration.
    """
    from ml_platform.experiments.patching import patch_of
    from ml_platform.state import experiments

    with closing(opening.state()) as state:
        one = experiments.experiment(state, number)
    result = patch_of(opening.declared(one.pipeline), one.changes)
    if as_json:
        emit_json(vars(result))
        return
    sys.stdout.write(result.text)
    if not one.changes:
        note(f"Run {number} changed nothing.")
    for sentence in result.by_hand:
        note(sentence)
    if result.by_hand:
        raise typer.Exit(1)


def _blobs(state: "State") -> "Blobs":
    from ml_platform.lake.blobs import Blobs

    return Blobs(state.settings)
