"""The model card of a version, its verdicts and its limits, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.evaluation.intervals import Interval
from ml_platform.plots.markdown import Markdown, table
from ml_platform.state.verdicts import Verdict
from ml_platform.state.versions import Version
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
    data: Sequence[str] = (),
    serves: str = "",
) -> str:
    """The card of a version. `serves` says whether it is the champion; empty where the card is stored and stays.

    `metrics` are those of its holdout; `features` gives each feature's available-since (S14; None:
    since ever) and `importance` its share. `data` says which failed checks stand on its data, or were passed over.
    `limits` are Markdown; all else is text, which data and people may have written.
    """
    verdicts = list(verdicts)
    facts = {
        **({"Serves": serves} if serves else {}),
        "Owners": ", ".join(owners) or "none named",
        "Partition": version.partition,
        "Decided at": _when(version.decided_at),
        "Training set": _code(version.training_set),
        "Bundle": _code(version.bundle),
        "Code": version.code_version,
        "Trained": f"{_when(version.created_at)}, run {version.run_id}",
    }
    sections = {
        "": [markdown_text(description), *table(("what", ""), facts.items())],
        "Data": table(
            ("part", "first", "last", "rows"),
            (
                (part, *(_bound(version.bounds[part][what]) for what in ("first", "last", "rows")))
                for part in PARTS
                if part in version.bounds
            ),
        ),
        "Failed checks on its data": [f"- {markdown_text(one)}" for one in data],
        f"Metrics on the holdout{_rows_of(version, 'holdout')}": table(
            ("metric", "value", "95 % interval"),
            ((name, _number(i.value), _between(i.low, i.high)) for name, i in metrics.items()),
        ),
        "Gates": table(
            ("gate", "value", "threshold", "outcome", "why"),
            (
                (v.gate, _number(v.value), _number(v.threshold), _outcome(v), v.detail)
                for v in verdicts
                if v.slice == ""
            ),
        ),
        "Parts of the gates": table(
            ("gate", "part", "metric", "value", "95 % interval", "rows", "outcome"),
            (
                (v.gate, v.slice, v.metric, _number(v.value), _between(v.low, v.high), v.rows, _outcome(v))
                for v in verdicts
                if v.slice
            ),
        ),
        "Features": table(
            ("feature", "share of the importance"),
            ((name, f"{share:.1%}") for name, share in list(importance.items())[:IMPORTANT]),
        ),
        "Available since": table(("null before", "features"), _by_date(features)),
        "Parameters": table(("parameter", "value"), version.parameters.items()),
        "Environment": table(("what", "version"), _versions(version.environment)),
        "Limits": [f"- {limit}" for limit in limits],
    }
    lines = [f"# {version.name}"]
    for title, body in sections.items():
        if any(body):
            lines += ["", *([f"## {title}"] if title else []), *body]
    return "\n".join(lines) + "\n"


def _versions(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A row for each library, then one for each other part of the environment."""
    yield from environment.get("libraries", {}).items()
    yield from ((name, value) for name, value in environment.items() if name != "libraries")


def _by_date(features: Mapping[str, datetime | None]) -> list[tuple[str, str]]:
    """Each available-since date with the features that have it, earliest first."""
    dates: dict[datetime, list[str]] = {}
    for name, since in features.items():
        if since is not None:
            dates.setdefault(since, []).append(name)
    return [(_when(since), ", ".join(names)) for since, names in sorted(dates.items())]


def _rows_of(version: Version, part: str) -> str:
    """How many rows a part has, for a title: metrics are of all of them."""
    rows = version.bounds.get(part, {}).get("rows")
    return "" if rows is None else f", all {rows:,} rows"


def _bound(bound: object) -> str:
    """A bound of a part: an ISO moment to the minute, a number with separators."""
    return f"{bound:,}" if isinstance(bound, int) else str(bound)[:16].replace("T", " ")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _outcome(verdict: Verdict) -> str:
    return Markdown(f"**{verdict.outcome}**") if verdict.passed is False else verdict.outcome


def _code(digest: str) -> Markdown:
    return Markdown(markdown_code(digest))


def _when(moment: datetime | None) -> str:
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")
