"""The commands about searches for parameters: list, show and take."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command, ListByDefault
from ml_platform.cli.output import emit_json, emit_lines, emit_table, note, say

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 50  # trials for people, unless --limit says otherwise
SearchNumber = Annotated[str, typer.Argument(metavar="SEARCH", help="The number of a search.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(cls=ListByDefault, help="List searches for parameters, or show the trials of one.")
    group.command("list", cls=Command)(listed)
    group.command(cls=Command)(show)
    group.command(cls=Command)(take)
    app.add_typer(group, name="trials")


def listed(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the searches of `Tuned(…)` and `Grid(…)`, newest first, with the best trial of each."""
    from ml_platform.views.searches import search_rows

    with closing(opening.state()) as state:
        rows = search_rows(state, pipeline)
        if pipeline and not rows:
            opening.declared(pipeline)  # a name that nobody knows is an error
    if as_json:
        emit_json(rows)
        return
    shown = ("search", "pipeline", "status", "wanted", "done", "pruned", "failed", "metric", "declared", "best")
    table = [{**{name: row[name] for name in shown}, "parameters": _brief(row["parameters"])} for row in rows]
    emit_table(table, empty="Nothing was searched for yet: declare a trainer as Tuned(…) or Grid(…).")


def show(
    search: SearchNumber,
    limit: Annotated[int, typer.Option(help="Maximum number of trials; 0: all.", min=0)] = _SHOWN,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with plots, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one search: what it chose, what that was worth on the holdout, and its trials, best first."""
    from ml_platform.views.search_page import page
    from ml_platform.views.searches import is_higher_better, number_of, search_in_full

    with closing(opening.state()) as state:
        row = search_in_full(state, number_of(search))
    if html is not None:
        html.write_text(page(row))
        note(f"{html} has the trials and plots.")
    if as_json:
        emit_json(row)
        return
    facts = ("search", "pipeline", "status", "error", "metric", "wanted", "done", "pruned", "failed", "seconds")
    emit_lines({name: row[name] for name in facts if row[name] not in ("", None)})
    emit_lines({"declared parameters": row["declared"], "best": row["best"], "best trial": row["best_trial"]})
    if row["on_holdout"]:
        say(f"On the holdout: {row['on_holdout']}")
    if row["importance"]:
        emit_lines({f"importance of {name}": f"{share:.0%}" for name, share in row["importance"].items()})
    if row["constraints"]:
        emit_table(row["constraints"], title="Constraints")
    sign = -1 if is_higher_better(row) else 1
    order = {"done": 0, "pruned": 1, "failed": 2}

    def rank(one: "Mapping[str, Any]") -> tuple[Any, ...]:
        value = one["value"]
        return order[one["status"]], one["violation"] or 0.0, 0 if value is None else sign * value, one["number"]

    trials = sorted(row["list"], key=rank)
    chosen = trials[:limit] if limit else trials
    emit_table([_for_people(one) for one in chosen], title="Trials", empty="No trial has finished.")
    if len(trials) > len(chosen):
        note(f"These are {len(chosen)} of {len(trials):,}; --limit shows more.")
    if row["status"] == "interrupted":
        note(f"The same training goes on with it. `ml-platform trials take {row['search']}` ends it with its best.")


def take(search: SearchNumber, as_json: AsJson = False) -> None:
    """End an interrupted search with its best trial so far, which the next training uses."""
    from ml_platform.tuning.taking import take as take_best
    from ml_platform.views.searches import number_of, search_in_full

    with closing(opening.state(write=True)) as state:
        taken = take_best(state, number_of(search))
        row = search_in_full(state, taken.id)
    if as_json:
        emit_json(row)
        return
    say(f"Search {taken.id} ended with trial {taken.best}: {_brief(row['parameters'])}.")


def _for_people(one: "Mapping[str, Any]") -> dict[str, Any]:
    missed = [measured["gate"] for measured in one["constraints"] if measured["violation"] > 0]
    why = one["reason"] or (f"misses {', '.join(missed)}" if missed else "")
    names = ("number", "status", "value", "seconds")
    return {**{name: one[name] for name in names}, "parameters": _brief(one["parameters"]), "": why}


def _brief(parameters: "Mapping[str, Any]") -> str:
    """`num_leaves=63, learning_rate=0.0512`."""
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in parameters.items()
    )
