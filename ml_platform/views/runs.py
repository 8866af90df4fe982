"""Runs: experiments and the pipeline's own versions side by side, filtered and sorted."""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ml_platform.errors import NotFoundError
from ml_platform.state import experiment_lists, experiments, promotions, verdicts, versions
from ml_platform.state.database import State
from ml_platform.state.versions import Version
from ml_platform.views.changed_words import phrases

COLUMNS = ("run", "name", "status", "partition", "changes", "value", "difference", "low", "high", "tags", "seconds")
Row = dict[str, Any]
Field = tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]]  # columns of the record, and what they give


def run_rows(state: State, pipeline: str | None = None) -> list[Row]:
    """One row a run, newest first: its facts, `parameters` and `metrics`. An experiment's `run` is its number."""
    rows = _of_experiments(state, experiment_lists.listed(state, pipeline), FIELDS) + version_rows(state, pipeline)
    return newest_first(rows)


def version_rows(state: State, pipeline: str | None) -> list[Row]:
    """The rows of the versions of a pipeline, or of all."""
    rows: list[Row] = []
    for name in [pipeline] if pipeline else versions.pipelines(state):
        champion, metric = promotions.champion_at(state, name), headline_of(state, name)
        rows += [_of_version(one, metric, serves=one.version == champion) for one in versions.versions(state, name)]
    return rows


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """The rows by the time at which they began, the latest first."""
    return sorted(rows, key=operator.itemgetter("started_at"), reverse=True)


def experiment_rows(state: State, numbers: Sequence[int]) -> list[Row]:
    """The rows of experiments, in the order of their numbers here."""
    rows = {row["run"]: row for row in _of_experiments(state, experiment_lists.of_numbers(state, numbers), FIELDS)}
    return [rows[str(number)] for number in numbers if str(number) in rows]


def narrow_rows(state: State, pipeline: str | None, names: Collection[str]) -> list[Row]:
    """The rows of the experiments of a pipeline, or of all, with the fields of these names only, `run` and the time.

    Of parameters and metrics they hold those of these names.
    """
    fields = {name: FIELDS[name] for name in FIELDS if name in {*names, "run", "started_at"}}
    columns = {column for needed, _ in fields.values() for column in needed} | {"id", "status"}
    inner = [plain_name(name) for name in names if name not in FIELDS]
    recorded = experiment_lists.narrow(state, pipeline, columns, dict.fromkeys(inner))
    both: dict[str, Field] = {name: FIELDS[name] for name in ("parameters", "metrics")}
    return _of_experiments(state, recorded, fields | both)


def run_row(state: State, name: str) -> Row:
    """The row of one run: of an experiment by its number, or of a version such as "flight_delay@3".

    Raises NotFoundError.
    """
    pipeline, at, number = name.partition("@")
    if at and number.isdecimal():
        version = versions.version(state, pipeline, int(number))
        serves = version.version == promotions.champion_at(state, pipeline)
        return _of_version(version, headline_of(state, pipeline), serves=serves)
    if not name.isdecimal():
        raise NotFoundError("run", name, remedy="Name an experiment by its number, or a version as flight_delay@3.")
    return _of_experiments(state, experiment_lists.listed(state, number=int(name)), FIELDS)[0]


def _of_experiments(state: State, recorded: list[dict[str, Any]], fields: Mapping[str, Field]) -> list[Row]:
    """The rows of records of experiments, which hold the columns that the fields need, `id` and `status`."""
    alive = experiments.alive(state)
    # One that is on record as running and has no process may just have ended: it is looked at again.
    suspects = {one["id"] for one in recorded if one["status"] == "running"} - alive
    statuses = {number: experiments.experiment(state, number).status for number in suspects}
    for one in recorded:
        if one["id"] in suspects:
            status = statuses[one["id"]]
            one["status"] = "interrupted" if status == "running" else status
    readers = [(name, read) for name, (_, read) in fields.items()]
    return [{name: read(one) for name, read in readers} for one in recorded]


def _seconds(one: Mapping[str, Any]) -> float | None:
    return None if one["ended_at"] is None else (one["ended_at"] - one["started_at"]).total_seconds()


def _column(name: str) -> Field:
    return (name,), operator.itemgetter(name)


# Field of a row → the columns that it is made of, and how.
FIELDS: Mapping[str, Field] = {
    "run": (("id",), lambda one: str(one["id"])),
    "kind": ((), lambda _: "experiment"),
    **{name: _column(name) for name in ("pipeline", "name", "status", "partition")},
    "changes": (("changes",), lambda one: phrases(one["changes"])),
    **{name: _column(name) for name in ("metric", "value", "champion", "difference", "low", "high", "tags", "actor")},
    **{name: _column(name) for name in ("training_set", "bundle", "started_at")},
    "seconds": (("started_at", "ended_at"), _seconds),
    **{name: _column(name) for name in ("error", "parameters", "metrics")},
}


def _of_version(one: Version, metric: str | None, *, serves: bool) -> Row:
    return {
        "run": one.name,
        "kind": "version",
        "pipeline": one.pipeline,
        "name": "",
        "status": "champion" if serves else "version",
        "partition": one.partition,
        "changes": [],
        "metric": metric,
        "value": one.metrics["holdout"].get(metric),
        "champion": None,
        "difference": None,
        "low": None,
        "high": None,
        "tags": [],
        "actor": "platform",
        "training_set": one.training_set,
        "bundle": one.bundle,
        "started_at": one.created_at,
        "seconds": one.durations.get("total"),
        "error": "",
        "parameters": one.parameters,
        "metrics": one.metrics["holdout"],
    }


def headline_of(state: State, pipeline: str) -> str | None:
    """The metric that versions of a pipeline are shown by: that of the newest experiment, else of a gate.

    None where neither is on record.
    """
    return experiments.newest_metric(state, pipeline) or verdicts.newest_metric(state, pipeline)


def plain_name(name: str) -> str:
    """The name of a parameter or metric as rows have it: `num_leaves` of `trainer.num_leaves`."""
    return name.removeprefix("trainer.").removeprefix("parameters.").removeprefix("metrics.")
