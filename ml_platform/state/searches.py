"""The records of searches for parameters and of their trials (S62).

Trials are on record one by one, so that a search that was ended goes on from them. Their times come from the machine's
clock as it is: they order nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import insert, select, update

from ml_platform.errors import NotFoundError
from ml_platform.lake.work_marks import at_work
from ml_platform.state.database import AnyRow, State
from ml_platform.state.search_tables import searches as table
from ml_platform.state.search_tables import trials as trials_table

SearchStatus = Literal["running", "done", "failed", "interrupted"]
TrialStatus = Literal["done", "pruned", "failed"]
MARK = "search-"  # of the process that works on it, before its number
_JSON = ("trainer", "space", "settings", "folds", "importance", "comparison")


@dataclass(frozen=True)
class Search:
    """One search. `id` is 0 before it is on record.

    content_key:  of all that the choice depends on, but for the library that suggests trials.
    training_set: the digest. word: "Tuned" or "Grid". trainer: the trainer as declared, in canonical form.
    space:        parameter → what it may be. settings: sampler with its arguments, pruner, seed, budget, library.
    folds:        rows and bounds of each.
    ended_by:     "trials", "budget" or "person" once it is done, else empty.
    wanted:       how many trials there should be. best: the number of the chosen one.
    importance:   parameter → share of the differences that it explains.
    comparison:   of the chosen model with that of the declared parameters on the holdout.
    """

    pipeline: str
    content_key: str
    training_set: str
    word: str
    trainer: Mapping[str, Any]
    space: Mapping[str, Any]
    settings: Mapping[str, Any]
    metric: str
    wanted: int
    started_at: datetime
    folds: Sequence[Mapping[str, Any]] = ()
    status: SearchStatus = "running"
    ended_by: str = ""
    best: int | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    comparison: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    ended_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    value:       the mean of the metric over its folds, None of one that failed. fold_values: by fold, in order.
    constraints: what came of each gate that constrains the search. violation: the sum by which they are missed; None
                 where they were not measured.
    reason:      why it failed or was pruned; a note otherwise. seconds: of wall time.
    """

    number: int
    status: TrialStatus
    parameters: Mapping[str, Any]
    fold_values: Sequence[float] = ()
    value: float | None = None
    constraints: Sequence[Mapping[str, Any]] = ()
    violation: float | None = None
    reason: str = ""
    seconds: float = 0.0


_COLUMNS = [one.name for one in fields(Search)]
_TRIAL_COLUMNS = [one.name for one in fields(Trial)]
_TRIAL_JSON = ("parameters", "fold_values", "constraints")


def begin(state: State, search: Search) -> Search:
    """The search under its content key: that on record, or a new one where there is none or it failed."""
    with state.writing() as connection:
        earlier = by_key(state, search.content_key)
        if earlier is not None and earlier.status == "done":
            return earlier
        if earlier is not None and earlier.status != "failed":
            again = replace(earlier, status="running", error="", ended_at=None)
            _update(state, again.id, status="running", error="", ended_at=None)
            return again
        key = connection.execute(insert(table).values(_stored(search))).inserted_primary_key
    assert key is not None  # the database numbers them
    return replace(search, id=int(key[0]))


def add_trial(state: State, search: int, trial: Trial) -> Trial:
    """Put a finished trial on record. One that is there already stays as it is and is returned."""
    with state.writing() as connection:
        for earlier in trials(state, search):
            if earlier.number == trial.number:
                return earlier
        values = {name: getattr(trial, name) for name in _TRIAL_COLUMNS}
        values |= {name: _json(values[name]) for name in _TRIAL_JSON}
        now = datetime.now(UTC)
        connection.execute(insert(trials_table).values(search_id=search, recorded_at=now, **values))
    return trial


def end(
    state: State, search: Search, status: SearchStatus, *, ended_by: str = "", best: int | None = None, error: str = ""
) -> Search:
    """Put the end of a search on record."""
    ended = replace(search, status=status, ended_by=ended_by, best=best, error=error, ended_at=datetime.now(UTC))
    changed = ("status", "ended_by", "best", "error", "ended_at", "importance")
    values = {name: getattr(ended, name) for name in changed}
    _update(state, search.id, **{**values, "importance": _json(ended.importance)})
    return ended


def keep_comparison(state: State, search: int, comparison: Mapping[str, Any]) -> None:
    """Record how the chosen parameters do against the declared ones on the holdout."""
    _update(state, search, comparison=_json(comparison))


def keep_folds(state: State, search: int, folds: Sequence[Mapping[str, Any]]) -> None:
    """Record what the trials are measured on."""
    _update(state, search, folds=_json(folds))


def by_key(state: State, content_key: str) -> Search | None:
    """The newest search with that content key, if any."""
    chosen = select(*(table.c[name] for name in _COLUMNS)).where(table.c.content_key == content_key)
    row = state.first(chosen.order_by(table.c.id.desc()).limit(1))
    return None if row is None else _search(row)


def search(state: State, number: int) -> Search:
    """One search. Raises NotFoundError."""
    row = state.first(select(*(table.c[name] for name in _COLUMNS)).where(table.c.id == number))
    if row is None:
        raise NotFoundError("search", number, remedy="`ml-platform trials` lists those on record.")
    return _search(row)


def of(state: State, pipeline: str | None = None) -> list[Search]:
    """The searches of a pipeline, or all, newest first."""
    chosen = select(*(table.c[name] for name in _COLUMNS)).order_by(table.c.id.desc())
    return [
        _search(row) for row in state.rows(chosen if pipeline is None else chosen.where(table.c.pipeline == pipeline))
    ]


def trials(state: State, search: int) -> list[Trial]:
    """The finished trials of a search, by number."""
    chosen = select(*(trials_table.c[name] for name in _TRIAL_COLUMNS)).where(trials_table.c.search_id == search)
    listed = []
    for row in state.rows(chosen.order_by(trials_table.c.number)):
        values = dict(zip(_TRIAL_COLUMNS, row, strict=True))
        listed.append(Trial(**{**values, **{name: json.loads(values[name]) for name in _TRIAL_JSON}}))
    return listed


def alive(state: State) -> set[int]:
    """The numbers of the searches whose process lives."""
    names = (name.removeprefix(MARK) for name in at_work(state.settings.lake) if name.startswith(MARK))
    return {int(name) for name in names if name.isdecimal()}


def _update(state: State, number: int, **values: Any) -> None:
    with state.writing() as connection:
        connection.execute(update(table).where(table.c.id == number).values(values))


def _stored(search: Search) -> dict[str, Any]:
    values = {name: getattr(search, name) for name in _COLUMNS if name != "id"}
    return values | {name: _json(values[name]) for name in _JSON}


def _search(row: AnyRow) -> Search:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Search(**{**values, **{name: json.loads(values[name]) for name in _JSON}})


def _json(value: Any) -> str:
    plain = dict(value) if isinstance(value, Mapping) else list(value)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)
