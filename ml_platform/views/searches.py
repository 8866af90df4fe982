"""Searches for parameters: one row each, and one in full with its trials (S62)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ml_platform.errors import UnfitArgument
from ml_platform.spec.metrics import higher_is_better
from ml_platform.state import searches
from ml_platform.state.database import State
from ml_platform.state.searches import Search, Trial
from ml_platform.tuning.comparing import in_words
from ml_platform.tuning.searching import best_of

Row = dict[str, Any]


def search_rows(state: State, pipeline: str | None = None) -> list[Row]:
    """One row a search, newest first."""
    alive = searches.alive(state)
    return [_row(one, searches.trials(state, one.id), one.id in alive) for one in searches.of(state, pipeline)]


def search_in_full(state: State, number: int) -> Row:
    """One search with its trials, folds, importance and comparison, as JSON values. Raises NotFoundError."""
    one = searches.search(state, number)
    trials = searches.trials(state, number)
    row = _row(one, trials, number in searches.alive(state))
    more = ("word", "trainer", "space", "settings", "folds", "importance", "comparison", "content_key")
    return {
        **row,
        **{name: getattr(one, name) for name in more},
        "constraints": _constraints(one, trials),
        "list": [_trial(trial) for trial in trials],
    }


def points_of(row: Mapping[str, Any]) -> list[tuple[int, float, bool]]:
    """The finished trials of a search in full, as a plot takes them."""
    done = [one for one in row["list"] if one["status"] == "done"]
    return [(one["number"], one["value"], not one["violation"]) for one in done]


def number_of(text: str) -> int:
    """The number of a search. Raises UnfitArgument for what is none."""
    if not text.isdecimal():
        raise UnfitArgument(f"{text!r} is no search.", remedy="`ml-platform trials` lists searches by number.")
    return int(text)


def _row(one: Search, trials: list[Trial], alive: bool) -> Row:
    counts = {status: sum(trial.status == status for trial in trials) for status in ("done", "pruned", "failed")}
    best = best_of(trials, one.metric)
    declared = next((trial for trial in trials if trial.number == 0 and trial.status == "done"), None)
    return {
        "search": one.id,
        "pipeline": one.pipeline,
        "status": "interrupted" if one.status == "running" and not alive else one.status,
        "ended_by": one.ended_by,
        "wanted": one.wanted,
        **counts,
        "metric": one.metric,
        "declared": None if declared is None else declared.value,
        "best": None if best is None else best.value,
        "best_trial": None if best is None else best.number,
        "parameters": {} if best is None else dict(best.parameters),
        "on_holdout": in_words(one.comparison) if one.status == "done" else "",
        "seconds": round(sum(trial.seconds for trial in trials), 1),
        "started_at": one.started_at,
        "training_set": one.training_set,
        "error": one.error,
    }


def _trial(trial: Trial) -> Row:
    return {**asdict(trial), "parameters": dict(trial.parameters)}


def _constraints(one: Search, trials: list[Trial]) -> list[Row]:
    """Each gate that constrained the search: how many trials missed it, and what the chosen one measured."""
    chosen = best_of(trials, one.metric)
    gates: dict[str, Row] = {}
    for trial in trials:
        for measured in trial.constraints:
            row = gates.setdefault(measured["gate"], {"gate": measured["gate"], "missed": 0, "chosen": ""})
            row["missed"] += measured["violation"] > 0
            if chosen is not None and trial.number == chosen.number:
                row["chosen"] = measured["detail"]
    return list(gates.values())


def is_higher_better(row: Mapping[str, Any]) -> bool:
    """Whether more of the search's metric is better."""
    return higher_is_better(row["metric"])
