"""Commands that explain where something comes from, and what depends on it: why, lineage, uses."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_tree, note, say
from ml_platform.errors import AmbiguousKey
from ml_platform.naming import counted, listed

if TYPE_CHECKING:
    from ml_platform.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (why, lineage, uses):
        app.command(cls=Command)(command)


def why(
    pipeline: PipelineName,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The key of a prediction, or parts of one, such as 'UA 1430'.")
    ],
    at: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="Its prediction time in UTC, or the beginning of it, such as 2013-06-03."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(metavar="N", help="A version; default the one that made the prediction.", min=1)
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also write a plot of the lineage.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why this score? What each value added, what is usual, and the raw row that it comes from.

    Several keys that fit are listed. `--version` scores the same feature row with another version. A pipeline whose
    declaration is broken or gone is explained by its records, with columns by their names.
    """
    from ml_platform.cli import answers
    from ml_platform.state.lineage import graph
    from ml_platform.views import lineage_stories as stories
    from ml_platform.views.explanation import explain
    from ml_platform.views.lineage_plot import lineage_plot

    there = opening.declarations()
    workspace = opening.reading(there)
    explainable, declared = opening.declared_or_recorded(workspace, pipeline, there), there.pipelines.get(pipeline)
    try:
        with workspace.reading():  # one moment, and what is asked twice is read once
            explained = explain(workspace, pipeline, key, at=at, version=version, declared=declared)
            story = stories.of_prediction(workspace, explainable, explained)
            if svg is not None:
                svg.write_bytes(lineage_plot(graph(workspace.state), story))
    except AmbiguousKey as error:
        answers.show_candidates(error, as_json=as_json)
        raise typer.Exit(2) from None
    if as_json:
        emit_json(answers.as_json(explained, story))
        return
    answers.show(explained, story)
    _note_missing(pipeline, story)


def lineage(
    pipeline: PipelineName,
    model: Annotated[int | None, typer.Option(metavar="N", help="The number of a version.", min=1)] = None,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A landed file: its name, or any path to it.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Add lineage to outputs recorded without it, where it is certain.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also write a plot of the lineage.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace a version back to raw files, or show what was built on a file. `why` traces a prediction."""
    if sum(one is not None for one in (model, file)) + record != 1:
        raise typer.BadParameter("give one of --model, --file and --record; `ml-platform why` traces a prediction")
    if record:
        if svg is not None:
            raise typer.BadParameter("--svg draws a version or a file")
        _record(pipeline, as_json=as_json)
        return
    from ml_platform.cli import trees
    from ml_platform.state.lineage import graph
    from ml_platform.views import lineage_stories as stories
    from ml_platform.views.lineage_plot import lineage_plot

    there = opening.declarations()
    workspace = opening.reading(there)
    story: dict[str, Any]
    with workspace.reading():  # one moment, and what is asked twice is read once
        if model is not None:
            story = stories.of_version(workspace, opening.declared_or_recorded(workspace, pipeline, there), model)
            shown = trees.of_version(story)
        else:
            story = stories.of_file(workspace, there.find(pipeline), _landed(workspace.settings, file or ""))
            shown = trees.of_file(story)
        if svg is not None:
            svg.write_bytes(lineage_plot(graph(workspace.state), story))
    if as_json:
        emit_json(story)
        return
    emit_tree(shown)
    _note_missing(pipeline, story)


def _note_missing(pipeline: str, story: dict[str, Any]) -> None:
    if missing := story["missing"]:
        unrecorded = f"Recorded without lineage: {listed(missing)}."
        note(f"{unrecorded} `ml-platform lineage {pipeline} --record` adds it where it is certain.")


def _record(name: str, *, as_json: bool) -> None:
    from ml_platform.runtime.lineage_recording import record_missing
    from ml_platform.steps.all_steps import STEPS

    declared = opening.declared(name)
    done = record_missing(opening.writing(), declared, STEPS)
    if as_json:
        emit_json(asdict(done))
        return
    say(
        f"{counted(done.recorded, 'output')} of {name} {'has its' if done.recorded == 1 else 'have their'} lineage now."
    )
    if done.lost:
        note(f"Not recoverable, because the inputs were replaced: {listed(done.lost)}.")


def _landed(settings: "Settings", file: str) -> str:
    """The path of a file relative to the landing folder."""
    folder = settings.landing.resolve()
    path = Path(file).resolve()
    typed_there = not Path(file).is_absolute() and (folder / file).is_file()
    return file if typed_there or not path.is_relative_to(folder) else path.relative_to(folder).as_posix()


def uses(
    target: Annotated[
        str | None, typer.Argument(metavar="[TABLE[.COLUMN]]", help="A table, or one of its columns.")
    ] = None,
    feature: Annotated[str | None, typer.Option(metavar="NAME", help="A feature instead.")] = None,
    changed: Annotated[
        bool,
        typer.Option("--changed", help="Only pipelines whose declaration reads something else than their champion."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Which models read a table, a column or a feature: as declared today, and on record.

    With --changed and without a target, everything that the declarations read otherwise than the champions.
    """
    from ml_platform.views.uses import Target, changed_uses, target_of, uses_of

    if (target is not None) == (feature is not None) and not (changed and target is None):
        raise typer.BadParameter("give a table, a column as TABLE.COLUMN, or --feature NAME; or only --changed")
    there = opening.declarations()
    workspace = opening.reading(there)
    if target is None and feature is None:
        shown = changed_uses(workspace, there.pipelines)
    else:
        about = Target(feature=feature) if feature else target_of(there.pipelines, target or "")
        shown = uses_of(workspace, there.pipelines, about)
        shown = [one for one in shown if one.change != "same"] if changed else shown
    if as_json:
        emit_json([asdict(one) for one in shown])
        return
    from ml_platform.cli.reverse_index import show_uses

    show_uses(shown)
    opening.tell_broken(there)
