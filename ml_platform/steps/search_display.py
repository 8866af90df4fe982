"""What people see of the searches behind a candidate: what each chose, what that was worth, and two plots (S62)."""

from functools import partial
from typing import Any

from ml_platform.naming import counted
from ml_platform.plots import searches as plots
from ml_platform.runtime.display import drawn
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.searching_gates import searched_in
from ml_platform.state import searches
from ml_platform.tuning.comparing import in_words
from ml_platform.tuning.settling import search_key


def search_display(ws: Workspace, pipeline: ModelPipeline, training_set: str) -> dict[str, Any]:
    """Label → display value of every search of the pipeline on that training set; empty without a search."""
    display: dict[str, Any] = {}
    declared = searched_in(pipeline.trainer)
    for number, one in enumerate(declared, start=1):
        search = searches.by_key(ws.state, search_key(pipeline, one, training_set))
        if search is None or search.best is None:
            continue  # its records are gone; the version has its parameters
        name = f"search {number}" if len(declared) > 1 else "search"
        trials = searches.trials(ws.state, search.id)
        best = next(trial for trial in trials if trial.number == search.best)
        ended = counted(len(trials), "trial")
        points = [(one.number, one.value, not one.violation) for one in trials if one.status == "done"]
        points_drawn = [(at, value, feasible) for at, value, feasible in points if value is not None]
        draw = partial(plots.progress, search.metric, points_drawn, higher_is_better=higher_is_better(search.metric))
        display |= {
            name: f"number {search.id}: trial {best.number} of {ended} was chosen, {search.metric} {best.value:.6g}",
            f"{name} parameters": ", ".join(f"{path}={value}" for path, value in best.parameters.items()),
            f"{name} on the holdout": in_words(search.comparison),
            f"{name} trials": drawn(ws, draw),
        }
        if search.importance:
            display[f"{name} importance"] = drawn(ws, partial(plots.parameter_importance, search.importance))
    return display
