"""Converts the details of an older record into its typed result and display values."""

from typing import Any

from ml_platform.state import results
from ml_platform.state.results import Result

_NOT_SHOWN = {"set"}  # carried by the typed result


def result_of(asset: str, old: dict[str, Any]) -> Result:
    """The typed result of a record that kept everything in one JSON of labels."""
    layer, _, step = asset.partition("/")
    if layer == "raw":
        return results.RawResult(tuple(old.get("files", ())))
    if layer == "validated":
        return _validated(old)
    shown = old.get("metadata", {})
    reader = _READERS.get(step)
    return reader(shown) if reader else Result()


def display_of(asset: str, old: dict[str, Any]) -> dict[str, Any]:
    """The display values of such a record."""
    return {name: value for name, value in old.get("metadata", {}).items() if name not in _NOT_SHOWN}


def blobs_shown(stored: Any) -> set[str]:
    """The digests of plots and texts in stored display values and checks, from before a record named them."""
    if isinstance(stored, list):
        return {digest for part in stored for digest in blobs_shown(part)}
    if not isinstance(stored, dict):
        return set()
    if len(stored) == 1 and isinstance(digest := stored.get("picture", stored.get("markdown")), str):
        return {digest}
    return blobs_shown(list(stored.values()))


def _validated(old: dict[str, Any]) -> Result:
    names = ("rows", "versions", "quarantined", "by_rule", "duplicates", "dropped", "overruled")
    counts = {name: old[name] for name in names if name in old}
    return results.ValidatedResult(**counts, files=tuple(old.get("files", ())))


def _version(name: Any) -> int | None:
    """The number in `pipeline@number`; None for "none yet" and the like."""
    number = str(name or "").rpartition("@")[2]
    return int(number) if number.isdigit() else None


def _report(shown: dict[str, Any]) -> Result:
    address = shown.get("open", {})
    figures = {"champion", "rows", "weighted drift", "score psi"}
    metric = (
        next((name for name, value in shown.items() if name not in figures and isinstance(value, float)), "")
        if address
        else ""
    )
    return results.ReportResult(
        champion=_version(shown.get("champion")),
        rows=shown.get("rows"),
        weighted_drift=shown.get("weighted drift"),
        score_psi=shown.get("score psi"),
        metric=metric if metric not in ("megabytes", "seconds") else "",
        realised=shown.get(metric) if metric not in ("megabytes", "seconds") else None,
        url=address.get("url", ""),
    )


def _champion(shown: dict[str, Any]) -> Result:
    outcome = shown["outcome"]
    return results.ChampionResult(
        outcome="skipped" if outcome == "held back" else outcome,
        candidate=_version(shown.get("candidate")),
        champion=_version(shown.get("champion")),
    )


_OUTCOMES = {"fired": "triggered", "held back": "skipped", "forced": "manual"}
_READERS = {
    "features": lambda shown: results.FeaturesResult(shown.get("features", 0)),
    "predictions": lambda shown: results.PredictionsResult(_version(shown.get("champion"))),
    "performance": lambda shown: results.PerformanceResult(_version(shown.get("champion")), shown.get("labelled", 0)),
    "drift": lambda shown: results.DriftResult(_version(shown.get("champion")), shown.get("weighted drift")),
    "report": _report,
    "decision": lambda shown: results.DecisionResult(_OUTCOMES[shown["outcome"]]),
    "training_set": lambda shown: results.TrainingSetResult(shown.get("set")),
    "candidate": lambda shown: results.CandidateResult(
        _version(shown.get("version")), shown.get("training set", {}).get("blob", "")
    ),
    "verdicts": lambda shown: results.VerdictsResult(
        _version(shown.get("version")), shown.get("passed", 0), shown.get("gates", 0)
    ),
    "champion": _champion,
}
