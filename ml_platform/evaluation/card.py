"""The model card: what a version is, what it was judged by, and what it is not for, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ml_platform.evaluation.bootstrap import Interval
from ml_platform.registry.verdicts import Verdict
from ml_platform.registry.versions import Version
from ml_platform.training.splits import PARTS

IMPORTANT = 20  # features listed with their importance


def model_card(
    version: Version,
    *,
    description: str,
    owners: Sequence[str],
    metrics: Mapping[str, Interval],
    verdicts: Iterable[Verdict],
    features: Mapping[str, datetime | None],
    importance: Mapping[str, float],
    limits: Sequence[str] = (),
) -> str:
    """The card of a version.

    `metrics` are those of its holdout; `features` gives each feature's available-since (S14; None:
    since ever) and `importance` its share of the gain.
    """
    verdicts = list(verdicts)
    facts = {
        "Owners": ", ".join(owners) or "none named",
        "Partition": version.partition,
        "Decided at": _when(version.decided_at),
        "Training set": f"`{version.training_set}`",
        "Bundle": f"`{version.bundle}`",
        "Code": version.code_version,
        "Made": f"{_when(version.created_at)}, run {version.run_id}",
    }
    late = {name: since for name, since in features.items() if since is not None}
    sections = {
        "": [description, *_table(("what", ""), facts.items())],
        "Data": _table(
            ("part", "first", "last", "rows"),
            (
                (part, *(version.bounds[part][what] for what in ("first", "last", "rows")))
                for part in PARTS
                if part in version.bounds
            ),
        ),
        "Metrics on the holdout": _table(
            ("metric", "value", "95 % interval"),
            ((name, _number(i.value), _between(i.low, i.high)) for name, i in metrics.items()),
        ),
        "Gates": _table(
            ("gate", "value", "threshold", "outcome", "why"),
            (
                (v.gate, _number(v.value), _number(v.threshold), _outcome(v.passed), v.detail)
                for v in verdicts
                if v.slice == ""
            ),
        ),
        "Slices": _table(
            ("slice", "metric", "value", "95 % interval", "rows", "outcome"),
            (
                (v.slice, v.metric, _number(v.value), _between(v.low, v.high), v.rows, _outcome(v.passed))
                for v in verdicts
                if v.slice
            ),
        ),
        "Features": _table(
            ("feature", "share of the gain"),
            ((name, f"{share:.1%}") for name, share in list(importance.items())[:IMPORTANT]),
        ),
        "Available since": _table(("feature", "null before"), ((name, _when(since)) for name, since in late.items())),
        "Parameters": _table(("parameter", "value"), version.parameters.items()),
        "Environment": _table(("what", "version"), version.environment.items()),
        "Limits": [f"- {limit}" for limit in limits],
    }
    lines = [f"# {version.name}"]
    for title, body in sections.items():
        if any(body):
            lines += ["", *([f"## {title}", ""] if title else []), *body]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    body = [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *body] if body else []


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _outcome(passed: bool | None) -> str:
    return {True: "passed", False: "**failed**", None: "not judged"}[passed]


def _when(moment: datetime | None) -> str:
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")
