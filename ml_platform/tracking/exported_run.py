"""What of a run MLflow gets: parameters, metrics, curves as metrics by step, tags."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_platform.redaction import without_secrets
from ml_platform.state import annotations, experiments, verdicts, versions
from ml_platform.state.database import State
from ml_platform.views.run_comparison import Run

SENT_FORM = 1  # of what is sent; raised when everything is to be sent again
KEY = "ml_platform.key"
_PREFIX = "ml_platform"
_STATUS = {"failed": "FAILED", "interrupted": "KILLED"}
_LONGEST_PARAMETER, _LONGEST_TAG, _LONGEST_NAME = 6_000, 5_000, 250  # characters that MLflow takes
_DIGEST_LENGTH = 36  # letters of a digest that MLflow takes
_BATCH = {"metrics": 1_000, "params": 100, "tags": 100}  # entries of one request


@dataclass(frozen=True)
class ExportedRun:
    """A run in MLflow's words.

    key:     what it is found by: a hash of what never changes. facts: the digest of what may change later.
    metrics: (name, value, step). start, end: milliseconds since 1970, UTC; `end` is None where it is not on record.
    bundle:  the digest of the model; empty without one. dataset: the training set as an input; None without one.
    """

    key: str
    facts: str
    pipeline: str
    name: str
    status: str
    start: int
    end: int | None
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int]]
    bundle: str
    training_set: str
    dataset: Mapping[str, Any] | None

    @property
    def began(self) -> str:
        """`start` as MLflow writes times in the file of a model."""
        return f"{datetime.fromtimestamp(self.start / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"

    def batches(self) -> Iterable[dict[str, list[dict[str, Any]]]]:
        """Bodies of `runs/log-batch`, each as large as MLflow takes. Sending one twice changes nothing."""
        lists: dict[str, list[dict[str, Any]]] = {
            "metrics": [
                {"key": name, "value": value, "timestamp": self.start, "step": step}
                for name, value, step in self.metrics
            ],
            "params": [{"key": name, "value": value} for name, value in self.parameters.items()],
            "tags": _pairs(self.tags),
        }
        for kind, entries in lists.items():
            size = _BATCH[kind]
            yield from ({kind: entries[start : start + size]} for start in range(0, len(entries), size))


def key_of(row: Mapping[str, Any]) -> str:
    """What the run of a row is found by. Two lakes that send to one server have other keys."""
    return _digest([row["kind"], row["pipeline"], row["run"], row["started_at"].isoformat()])


def facts_of(state: State, row: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The digest of what may change of a finished run, from the operational state alone."""
    if row["kind"] == "version":
        name, _, number = row["run"].partition("@")
        return _digest([SENT_FORM, _outcomes(state, name, int(number))])
    return _digest([SENT_FORM, row["status"], row["error"], row["name"], row["tags"], list(notes)])


def exported_run(state: State, run: Run, facts: str) -> ExportedRun:
    """A run in MLflow's words. `facts`: see `facts_of`."""
    row = run.row
    start, seconds = row["started_at"], row["seconds"]
    ended = seconds is not None and row["kind"] == "experiment"
    return ExportedRun(
        key=key_of(row),
        facts=facts,
        pipeline=row["pipeline"],
        name=row["name"] or (row["run"] if row["kind"] == "version" else f"run {row['run']}"),
        status=_STATUS.get(row["status"], "FINISHED"),
        start=_milliseconds(start),
        end=_milliseconds(start + timedelta(seconds=seconds)) if ended else _milliseconds(start),
        tags=_tags(state, run),
        parameters={_name(name): _text(value, _LONGEST_PARAMETER) for name, value in _flat(row["parameters"]).items()},
        metrics=[*_metrics(run), *_points(run.curves)],
        bundle=row["bundle"],
        training_set=row["training_set"],
        dataset=_dataset(run) if row["training_set"] else None,
    )


def _dataset(run: Run) -> dict[str, Any]:
    """The training set as an input of the run, by its digest."""
    row = run.row
    parts = {name: run.bounds[name] for name in ("train", "validation", "holdout") if name in run.bounds}
    dataset = {
        "name": f"{row['pipeline']} through {row['partition']}"[:_LONGEST_TAG],
        "digest": row["training_set"][:_DIGEST_LENGTH],
        "source_type": _PREFIX,
        "source": json.dumps({"training_set": row["training_set"], "partition": row["partition"]}),
        "profile": json.dumps(parts, default=str),
    }
    return {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}


def _tags(state: State, run: Run) -> dict[str, str]:
    row = run.row
    tags: dict[str, Any] = {
        KEY: key_of(row),
        "mlflow.source.name": _PREFIX,
        "mlflow.source.type": "JOB" if row["kind"] == "version" else "LOCAL",
        "mlflow.user": row["actor"],
    }
    tags |= {f"{_PREFIX}.{name}": row[name] for name in ("run", "kind", "pipeline", "partition", "status", "bundle")}
    tags |= {f"{_PREFIX}.training_set": row["training_set"], f"{_PREFIX}.metric": row["metric"]}
    if row["kind"] == "version":
        name, _, number = row["run"].partition("@")
        version = versions.version(state, name, int(number))
        tags[f"{_PREFIX}.content_key"] = version.content_key
        tags[f"{_PREFIX}.decided_at"] = version.decided_at and version.decided_at.isoformat()
        tags[f"{_PREFIX}.status"] = None  # the champion changes; the alias of the registry has it
        judged = verdicts.of(state, name, int(number))
        tags |= {f"{_PREFIX}.gates.{outcome}": "; ".join(gates) for outcome, gates in _outcomes_by_name(judged).items()}
    else:
        one = experiments.experiment(state, int(row["run"]))
        tags[f"{_PREFIX}.content_key"] = one.training_key
        tags[f"{_PREFIX}.experiment_key"] = one.content_key
        tags[f"{_PREFIX}.champion"] = None if one.champion is None else f"{one.pipeline}@{one.champion}"
        tags[f"{_PREFIX}.changes"] = "; ".join(row["changes"])
        tags[f"{_PREFIX}.error"] = row["error"]
        tags |= {f"{_PREFIX}.tag.{tag}": "true" for tag in row["tags"]}
        written = [
            f"{note.written_at:%Y-%m-%d %H:%M} {note.actor}: {note.text}" for note in annotations.notes(state, one.id)
        ]
        tags["mlflow.note.content"] = "\n\n".join(written)
    return {_name(name): _text(value, _LONGEST_TAG) for name, value in tags.items() if value not in (None, "")}


def _outcomes(state: State, pipeline: str, number: int) -> list[list[str]]:
    return [[one.gate, one.slice, one.outcome] for one in verdicts.of(state, pipeline, number)]


def _outcomes_by_name(judged: Iterable[verdicts.Verdict]) -> dict[str, list[str]]:
    outcomes: dict[str, list[str]] = {}
    for one in judged:
        if not one.slice:
            outcomes.setdefault(one.outcome.replace(" ", "_"), []).append(one.gate)
    return outcomes


def _metrics(run: Run) -> Iterable[tuple[str, float, int]]:
    """Metrics of the holdout by their names, and what an experiment is better by than the champion."""
    values = dict(run.row["metrics"])
    values |= {f"better_by.{name}": run.row[name] for name in ("difference", "low", "high")}
    if run.row["seconds"] is not None:
        values["seconds"] = run.row["seconds"]
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield _name(name), float(value), 0


def _points(curves: Mapping[str, Any]) -> Iterable[tuple[str, float, int]]:
    """Each curve as two metrics, x and y, by step."""
    for name, points in curves.items():
        for step, (x, y) in enumerate(points):
            yield _name(f"curves.{name}.x"), float(x), step
            yield _name(f"curves.{name}.y"), float(y), step


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat


def _name(text: str) -> str:
    """A name that MLflow takes: letters, digits, and _ - . : / and blanks."""
    taken = "".join(sign if (sign.isascii() and sign.isalnum()) or sign in "_-.:/ " else "_" for sign in text)
    parts = [part for part in taken.split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:_LONGEST_NAME]


def _text(value: Any, longest: int) -> str:
    text = without_secrets(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _pairs(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
