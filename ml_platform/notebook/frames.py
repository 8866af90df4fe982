"""The records of a pipeline as polars frames with fixed columns, whether there are rows or none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.state.verdicts import Verdict
from ml_platform.views.model_versions import VersionSummary

_MOMENT = pl.Datetime("us", "UTC")
STATUS = {
    "partition": pl.String,
    "rows": pl.Int64,
    "quarantined": pl.Int64,
    "metric": pl.String,
    "realised": pl.Float64,
    "gates": pl.String,
    "outcome": pl.String,
    "reasons": pl.List(pl.String),
    "champion": pl.String,
    "waits_for": pl.List(pl.String),
    "waiting_since": _MOMENT,
}
DECISIONS = {
    "partition": pl.String,
    "decided_at": _MOMENT,
    "outcome": pl.String,
    "reason": pl.String,
    "counts": pl.Boolean,
    "policy": pl.String,
    "evidence": pl.String,
    "run_id": pl.String,
    "recorded_at": _MOMENT,
}
PROMOTIONS = {
    "seq": pl.Int64,
    "action": pl.String,
    "version": pl.Int64,
    "previous": pl.Int64,
    "partition": pl.String,
    "effective_at": _MOMENT,
    "actor": pl.String,
    "reason": pl.String,
    "recorded_at": _MOMENT,
    "run_id": pl.String,
}
USES = {
    "pipeline": pl.String,
    "version": pl.Int64,
    "role": pl.String,
    "table": pl.String,
    "column": pl.String,
    "use": pl.String,
    "features": pl.List(pl.String),
}
_VERDICTS = {
    "gate": pl.String,
    "slice": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "passed": pl.Boolean,
    "severity": pl.String,
    "rows": pl.Int64,
    "detail": pl.String,
}
_VERSIONS = {
    "version": pl.Int64,
    "serves": pl.Boolean,
    "partition": pl.String,
    "decided_at": _MOMENT,
    "created_at": _MOMENT,
    "gates_passed": pl.Int64,
    "gates": pl.Int64,
    "training_set": pl.String,
    "bundle": pl.String,
    "seconds": pl.Float64,
}
COMPARISONS = {
    "metric": pl.String,
    "slice": pl.String,
    "rows": pl.Int64,
    "value": pl.Float64,
    "champion_value": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "conclusion": pl.String,
}
GATES = {
    "gate": pl.String,
    "slice": pl.String,
    "outcome": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "severity": pl.String,
    "detail": pl.String,
}
RUNS = {
    "run": pl.String,
    "kind": pl.String,
    "name": pl.String,
    "status": pl.String,
    "partition": pl.String,
    "changes": pl.List(pl.String),
    "metric": pl.String,
    "value": pl.Float64,
    "champion": pl.Int64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "tags": pl.List(pl.String),
    "actor": pl.String,
    "training_set": pl.String,
    "bundle": pl.String,
    "started_at": _MOMENT,
    "seconds": pl.Float64,
    "error": pl.String,
    "parameters": pl.String,
    "metrics": pl.String,
}


def frame(rows: Iterable[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    """The columns of `schema` of some rows; lists and objects become JSON where the schema says text."""
    texts = {name for name, dtype in schema.items() if dtype == pl.String}
    chosen = [{name: _as_text(row[name]) if name in texts else row[name] for name in schema} for row in rows]
    return pl.DataFrame(chosen, schema=dict(schema))


def versions_frame(summaries: Sequence[VersionSummary]) -> pl.DataFrame:
    """One row a version, newest first, with a column `holdout_<metric>` for each metric that any of them has."""
    metrics = list(dict.fromkeys(metric for one in summaries for metric in one.holdout))
    rows = [
        {name: getattr(one, name) for name in _VERSIONS}
        | {f"holdout_{metric}": one.holdout.get(metric) for metric in metrics}
        for one in reversed(summaries)
    ]
    return frame(rows, {**_VERSIONS, **{f"holdout_{metric}": pl.Float64 for metric in metrics}})


def verdicts_frame(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """One row a verdict; `passed` is null where a gate did not judge, `slice` empty for the whole."""
    return frame([{name: getattr(one, name) for name in _VERDICTS} for one in verdicts], _VERDICTS)


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value)
