"""The records of experiments: what was changed, what it was trained on, and how it compares with the champion (S46).

Their times come from the machine's clock as it is: they order nothing, so an experiment leaves the platform's clock
alone.
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast

from sqlalchemy import delete, insert, select, update

from ml_platform.errors import NotFoundError, StateError
from ml_platform.lake.work_marks import at_work
from ml_platform.state.database import AnyRow, State
from ml_platform.state.experiment_tables import experiment_details, experiment_outputs, experiment_uses
from ml_platform.state.experiment_tables import experiments as table

Status = Literal["running", "done", "failed", "interrupted"]
_JSON = ("changes", "parameters", "metrics", "tags")
_MADE = ("training_key", "training_set", "bundle")


@dataclass(frozen=True)
class Change:
    """One difference of a declaration: where it is, and the value before and after; None where there is none."""

    path: str
    before: Any
    after: Any


def with_changes(base: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """The flat declaration, path → value, that came of the changes of `base`.

    >>> with_changes({"split.holdout": "7d", "gates.auc": 0.7}, [Change("gates.auc", 0.7, None)])
    {'split.holdout': '7d'}
    """
    values = dict(base)
    for change in changes:
        values[change.path] = change.after
        if change.after is None and change.before is not None:
            del values[change.path]
    return values


@dataclass(frozen=True)
class Experiment:
    """One experiment. `id` is 0 before it is on record.

    training_key: the content key of the model, as of a candidate.
    training_set, bundle, base_declaration: digests of blobs, empty before they are made; the last is of the declaration
                  that was changed.
    actor:        the user of the operating system who tried it.
    champion:     the version that it is compared with; None without one.
    value:        the headline `metric` on the holdout. difference, low, high: from the champion on the same rows, with
                  the 95 % interval, positive where the experiment is better; None where they are not comparable.
    metrics:      metric → value on the holdout.
    """

    pipeline: str
    partition: str
    content_key: str
    training_key: str
    base_declaration: str
    changes: tuple[Change, ...]
    metric: str
    actor: str
    started_at: datetime
    name: str = ""
    tags: tuple[str, ...] = ()
    champion: int | None = None
    status: Status = "running"
    training_set: str = ""
    bundle: str = ""
    value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""
    ended_at: datetime | None = None
    id: int = 0

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.ended_at is None else (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Details:
    """What only one experiment at a time is asked for, as JSON values.

    bounds:      of the parts of its training set, as of a version.
    comparisons: with the champion, one for each metric and segment (`experiments.judging.Comparison`).
    verdicts:    one for each gate and segment. curves: name → points.
    why_incomparable: why it is not compared with the champion; empty where it is, or where there is no champion.
    """

    bounds: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    durations: Mapping[str, Any] = field(default_factory=dict)
    comparisons: Sequence[Mapping[str, Any]] = ()
    verdicts: Sequence[Mapping[str, Any]] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    why_incomparable: str = ""


MARK = "experiment-"  # of the process that works on it, before its number
_COLUMNS = [one.name for one in fields(Experiment)]
_SELECTED = [table.c[name] for name in _COLUMNS]


def begin(state: State, experiment: Experiment) -> Experiment:
    """Put an experiment on record as running; with its number."""
    with state.writing() as connection:
        key = connection.execute(insert(table).values(_stored(experiment))).inserted_primary_key
    assert key is not None  # the database numbers them
    return replace(experiment, id=int(key[0]))


def trained(state: State, experiment: Experiment) -> None:
    """Put on record which training set and model a running experiment has, so that maintenance leaves them alone."""
    values = {name: getattr(experiment, name) for name in _MADE}
    with state.writing() as connection:
        connection.execute(update(table).where(table.c.id == experiment.id).values(values))


def without_result(experiment: Experiment) -> Experiment:
    """The experiment that ended before it had a result: what it was trained on is no reason to keep it."""
    return replace(experiment, training_key="", training_set="", bundle="")


def finish(
    state: State, experiment: Experiment, details: Details | None = None, uses: Collection[str] = ()
) -> Experiment:
    """Put the end of an experiment on record, with the content keys of the outputs that it uses."""
    ended = replace(experiment, ended_at=datetime.now(UTC))
    with state.writing() as connection:
        values = {name: value for name, value in _stored(ended).items() if name != "tags"}  # people add some meanwhile
        connection.execute(update(table).where(table.c.id == ended.id).values(values))
        if details is not None:
            more = {one.name: _json(getattr(details, one.name)) for one in fields(Details)}
            connection.execute(insert(experiment_details).values(experiment_id=ended.id, **more))
        for key in sorted(uses):
            connection.execute(insert(experiment_uses).values(experiment_id=ended.id, content_key=key))
    return ended


def alive(state: State) -> set[int]:
    """The numbers of the experiments whose process lives."""
    names = (name.removeprefix(MARK) for name in at_work(state.settings.lake) if name.startswith(MARK))
    return {int(name) for name in names if name.isdecimal()}


def end_dead(state: State) -> int:
    """Put on record that running experiments whose process is gone were interrupted; how many."""
    mine = select(table.c.id).where(table.c.status == "running")
    if state.first(mine) is None:
        return 0
    with state.writing() as connection:  # who begins or ends meanwhile waits
        gone = {number for (number,) in state.rows(mine)} - alive(state)
        values = {"status": "interrupted", "error": "Its process ended without a word.", **dict.fromkeys(_MADE, "")}
        connection.execute(update(table).where(table.c.id.in_(sorted(gone))).values(values))
    return len(gone)


def of(state: State, pipeline: str | None = None) -> list[Experiment]:
    """The experiments of a pipeline, or all, newest first."""
    chosen = select(*_SELECTED).order_by(table.c.id.desc())
    return [
        _experiment(row)
        for row in state.rows(chosen if pipeline is None else chosen.where(table.c.pipeline == pipeline))
    ]


def experiment(state: State, number: int) -> Experiment:
    """One experiment. Raises NotFoundError."""
    row = state.first(select(*_SELECTED).where(table.c.id == number))
    if row is None:
        raise not_found(number)
    return _experiment(row)


def not_found(number: int) -> NotFoundError:
    """The error about a number that no experiment has."""
    return NotFoundError("experiment", number, remedy="`ml-platform runs` lists those on record.")


def newest_metric(state: State, pipeline: str) -> str | None:
    """The headline metric of the newest experiment of a pipeline, if any."""
    chosen = select(table.c.metric).where(table.c.pipeline == pipeline).order_by(table.c.id.desc()).limit(1)
    metric: str | None = state.value(chosen)
    return metric


def done_by_key(state: State, content_key: str) -> Experiment | None:
    """The newest finished experiment with that content key, if any."""
    mine = (table.c.content_key == content_key) & (table.c.status == "done")
    row = state.first(select(*_SELECTED).where(mine).order_by(table.c.id.desc()).limit(1))
    return None if row is None else _experiment(row)


def done_by_training(state: State, training_key: str) -> Experiment | None:
    """The newest finished experiment whose model has that content key, if any."""
    mine = (table.c.training_key == training_key) & (table.c.status == "done")
    row = state.first(select(*_SELECTED).where(mine).order_by(table.c.id.desc()).limit(1))
    return None if row is None else _experiment(row)


def details(state: State, number: int) -> Details:
    """The details of one experiment; empty of one that did not finish."""
    columns = [experiment_details.c[one.name] for one in fields(Details)]
    row = state.first(select(*columns).where(experiment_details.c.experiment_id == number))
    return Details() if row is None else Details(*map(json.loads, row))


def remove(state: State, number: int) -> None:
    """Remove an experiment and what no other one uses. Its blobs are removed by maintenance.

    Raises NotFoundError, and StateError for one that runs.
    """
    with state.writing() as connection:
        if experiment(state, number).status == "running":
            raise StateError(f"Experiment {number} is running.", remedy="End it first.")
        connection.execute(delete(table).where(table.c.id == number))
        forget_unused(state)


def forget_unused(state: State) -> None:
    """Forget the outputs that no experiment uses, unless one is running and may be about to."""
    with state.writing() as connection:
        if not alive(state):
            used = select(experiment_uses.c.content_key)
            connection.execute(delete(experiment_outputs).where(experiment_outputs.c.content_key.not_in(used)))


# -- what experiments made -----------------------------------------------------------------


def output(state: State, content_key: str) -> tuple[str, dict[str, Any]] | None:
    """Digest and details of what an experiment made under that content key, if any."""
    c = experiment_outputs.c
    row = state.first(select(c.digest, c.details).where(c.content_key == content_key))
    return None if row is None else (row[0], json.loads(row[1]))


def keep_output(state: State, content_key: str, digest: str, details: Mapping[str, Any]) -> None:
    """Record what an experiment made, in place of what was there under the key."""
    with state.writing() as connection:
        connection.execute(delete(experiment_outputs).where(experiment_outputs.c.content_key == content_key))
        values = {"content_key": content_key, "digest": digest, "details": json.dumps(dict(details))}
        connection.execute(insert(experiment_outputs).values(values))


def kept_blobs(state: State) -> set[str]:
    """The digests of the blobs of all experiments."""
    columns = (table.c.training_set, table.c.bundle, table.c.base_declaration, experiment_outputs.c.digest)
    return {digest for column in columns for (digest,) in state.rows(select(column).where(column != "").distinct())}


def _stored(one: Experiment) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _COLUMNS if name != "id"}
    values["changes"] = [vars(change) for change in one.changes]
    return values | {name: _json(values[name]) for name in _JSON}


def _json(value: Any) -> str:
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _experiment(row: AnyRow) -> Experiment:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {name: json.loads(values[name]) for name in _JSON}
    values["changes"] = tuple(Change(**change) for change in values["changes"])
    return Experiment(**{**values, "tags": tuple(values["tags"]), "status": cast(Status, values["status"])})
