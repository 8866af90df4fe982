"""One run in full, and two side by side: declarations, parameters, data, metrics, curves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs
from ml_platform.state import annotations, experiments, verdicts, versions
from ml_platform.state.database import State
from ml_platform.state.experiments import Experiment
from ml_platform.views.runs import Row, run_row


@dataclass(frozen=True)
class Run:
    """A run with what only one at a time is asked for.

    row:         as in a list. declaration: path → value; None of a version, whose declaration is not on record.
    comparisons: with the champion. verdicts: of the gates. curves: name → points.
    """

    row: Row
    declaration: Mapping[str, Any] | None = None
    bounds: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    durations: Mapping[str, Any] = field(default_factory=dict)
    comparisons: Sequence[Mapping[str, Any]] = ()
    verdicts: Sequence[Mapping[str, Any]] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[Mapping[str, Any]] = ()
    changes: Sequence[Mapping[str, Any]] = ()
    why_incomparable: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it in one object; `changed` has the words of a list, `changes` the values."""
        return {
            **self.row,
            "changed": self.row["changes"],
            **{name: value for name, value in vars(self).items() if name != "row"},
        }


@dataclass(frozen=True)
class Difference:
    """One line of a comparison of two runs; `section` is declaration, parameters, data, metrics or environment."""

    section: str
    name: str
    first: Any
    second: Any


def run_of(state: State, blobs: Blobs, name: str) -> Run:
    """A run by its number, or a version by its name. Raises NotFoundError, BlobError for a lost declaration."""
    row = run_row(state, name)
    if row["kind"] == "version":
        return _of_version(state, row)
    number = int(row["run"])
    one, more = experiments.experiment(state, number), experiments.details(state, number)
    base = _base(blobs, one)
    return Run(
        row,
        experiments.with_changes(base, one.changes),
        **vars(more),
        notes=[asdict(note) for note in annotations.notes(state, number)],
        changes=[asdict(change) for change in one.changes],
    )


def _base(blobs: Blobs, one: Experiment) -> dict[str, Any]:
    """The declaration that an experiment changed."""
    if not one.base_declaration:
        return {}
    try:
        declaration: dict[str, Any] = json.loads(blobs.get(one.base_declaration).read_bytes())
    except BlobError as error:
        raise BlobError(
            f"The declaration that experiment {one.id} changed cannot be read: {error.what}",
            remedy=f"Restore it from a backup, or remove the record: `ml-platform runs remove {one.id}`.",
        ) from None
    return declaration


def _of_version(state: State, row: Row) -> Run:
    name, _, number = row["run"].partition("@")
    one = versions.version(state, name, int(number))
    shown = ("gate", "slice", "metric", "value", "threshold", "low", "high", "rows", "detail", "severity")
    judged = [
        {**{key: getattr(v, key) for key in shown}, "outcome": v.outcome} for v in verdicts.of(state, name, int(number))
    ]
    return Run(row, None, one.bounds, one.environment, one.durations, verdicts=judged)


def with_curves(blobs: Blobs, run: Run) -> Run:
    """The run with the curves of its model; those of a version are made from its bundle and training set.

    Raises BlobError when one of these is missing or damaged.
    """
    if run.row["kind"] != "version":
        return run
    from ml_platform.evaluation.candidate import Rows
    from ml_platform.evaluation.curves import curves_of
    from ml_platform.models.bundle import load
    from ml_platform.models.predictor import Predictor
    from ml_platform.models.training_data import part

    bundle = load(blobs, run.row["bundle"])
    holdout = part(blobs.get(run.row["training_set"]), "holdout", [*bundle.columns, "_label"])
    rows = Rows(holdout.drop("_label"), holdout["_label"], bundle.classes)
    return replace(run, curves=curves_of(bundle.task, rows.scored(Predictor(bundle))))


def differences(first: Run, second: Run) -> list[Difference]:
    """What two runs differ in, and all of their metrics. Of versions the declaration is not compared."""
    lines: list[Difference] = []
    if first.declaration is not None and second.declaration is not None:
        lines += _differing("declaration", first.declaration, second.declaration)
    lines += _differing("parameters", first.row["parameters"], second.row["parameters"])
    lines += _differing("data", _data(first), _data(second))
    metrics = dict.fromkeys([*first.row["metrics"], *second.row["metrics"]])
    lines += [
        Difference("metrics", name, first.row["metrics"].get(name), second.row["metrics"].get(name)) for name in metrics
    ]
    lines += _differing("environment", _flat(first.environment), _flat(second.environment))
    return lines


def undeclared(first: Run, second: Run) -> str:
    """What a comparison of these two cannot say of their declarations; the empty text where it says all."""
    names = [run.row["run"] for run in (first, second) if run.declaration is None]
    if not names:
        return ""
    changed = [run.row["run"] for run in (first, second) if run.changes]
    more = "".join(f" `ml-platform runs show {name}` has the changes of run {name}." for name in changed)
    return f"Declarations are not compared: that of {' and '.join(names)} is not on record.{more}"


def _differing(section: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    names = dict.fromkeys([*first, *second])
    return [
        Difference(section, name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]


def _data(run: Run) -> dict[str, Any]:
    facts = {"partition": run.row["partition"], "training set": run.row["training_set"]}
    for part in ("train", "validation", "holdout"):
        bounds = run.bounds.get(part, {})
        facts |= {f"{part} {name}": bounds[name] for name in ("rows", "first", "last") if bounds.get(name) is not None}
    return facts


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= {f"{name} {key}": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
    return flat
