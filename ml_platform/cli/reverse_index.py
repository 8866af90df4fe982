"""How `uses` shows who reads what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.cli.output import complain, emit_table, note, say
from ml_platform.naming import counted, listed

if TYPE_CHECKING:
    from ml_platform.views.uses import ModelUse, PipelineUse

_NAMED = 4  # features of a cell; JSON has all


def show_uses(pipelines: "Sequence[PipelineUse]") -> None:
    """A line for each declaration, champion and challenger, one for all other versions, then what changes."""
    rows: list[dict[str, Any]] = []
    for one in pipelines:
        rows += [_row(model) for model in one.models if model.role != "version" and not model.problem]
        others = [model for model in one.models if model.role == "version" and not model.problem]
        if others:
            rows.append({**_row(others[0]), "model": _versions(one.pipeline, others)})
    emit_table(rows, empty="Every declaration reads what its champion reads.")
    for one in pipelines:
        for model in one.models:
            if model.problem:
                complain(f"What {one.pipeline}@{model.version} reads is not known: {model.problem}")
        if one.change in ("added", "dropped", "changed"):
            say("", f"{one.pipeline}: the declaration differs from the champion", style="bold")
            for word, parts in (("it reads anew", one.added), ("it no longer reads", one.dropped)):
                if parts:
                    say(f"{word}: {listed(list(parts), 12)}")
        if one.downstream:
            note(f"{one.pipeline}: these depend on it: {listed(list(one.downstream), 12)}.")


def _row(model: "ModelUse") -> dict[str, Any]:
    name = model.pipeline if model.version is None else f"{model.pipeline}@{model.version}"
    uses = dict.fromkeys(use.use for use in model.uses)
    return {
        "model": name,
        "is": model.role,
        "reads it as": ", ".join(uses),
        "features": listed(list(model.features), _NAMED) if model.features else None,
        "importance": None if model.importance is None else f"{model.importance:.1%}",
    }


def _versions(pipeline: str, models: "Sequence[ModelUse]") -> str:
    numbers = sorted(model.version for model in models if model.version is not None)
    if len(numbers) <= _NAMED:
        return ", ".join(f"{pipeline}@{number}" for number in numbers)
    return f"{counted(len(numbers), 'other version')}, {pipeline}@{numbers[0]} to @{numbers[-1]}"
