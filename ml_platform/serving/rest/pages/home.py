"""The page at `/`: each pipeline with its champion, challenger, canary, data, figures and links."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ml_platform.escaping import html_text
from ml_platform.serving.rest.pages.figures import Figures, SecondsHistogram
from ml_platform.serving.rest.pages.layout import facts, links, moment, page, span, table, tag

_STAGES = ("parse", "features", "model", "log", "serialize")


def home_page(
    models: Sequence[Mapping[str, Any]], faults: Mapping[str, str], figures: Mapping[str, Figures], started: str | None
) -> str:
    """The page.

    Args:
        models: Of each pipeline that answers, what `GET …/model` answers.
        faults: What `/readyz` tells, by pipeline.
        figures: Since the start, by pipeline.
        started: When that was; None: not on record.
    """
    is_ready = bool(models) and not faults
    since = f"since {moment(started)}" if started else "since the service started"
    state = tag("ready", good=True) if is_ready else tag("not ready", good=False)
    nobody = "" if models else "<p>No pipeline has a champion that answers yet.</p>"
    wrong = "".join(f"<p>{tag(name, good=False)} {html_text(fault)}</p>" for name, fault in faults.items())
    unnamed = figures.get("", Figures()).refused
    other = f"<p class=quiet>Refused requests that named no pipeline: {_codes(unnamed)}.</p>" if unnamed else ""
    top = links([("API", "/docs"), ("OpenAPI", "/openapi.json"), ("Metrics", "/metrics"), ("Readiness", "/readyz")])
    parts = "".join(_pipeline(model, figures.get(str(model["pipeline"]), Figures())) for model in models)
    return page(
        "ml_platform service",
        f"<h1>Service {state}</h1><p class=quiet>Figures are of all workers {since}.</p>"
        f"{top}{wrong}{nobody}{parts}{other}",
    )


def _pipeline(model: Mapping[str, Any], mine: Figures) -> str:
    name = str(model["pipeline"])
    base = f"/v1/pipelines/{quote(name)}"
    targets = [("Model", f"{base}/model")]
    if model["card"] is not None:
        targets.append(("Model card", f"{base}/card"))
    if model["reports"] is not None:
        targets.append(("Reports", model["reports"]))
    targets.append(("API", f"/docs#predict_{name}"))
    return (
        f"<h2>{html_text(name)}</h2>{links(targets)}"
        + facts([*_champion(model), *_challenger(model, mine), *_canary(model, mine), *_requests(mine)])
        + _data(model["data"])
        + _features(mine)
        + _latency(mine)
    )


def _champion(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    promotion = model["promotion"]
    answers = f"<b>{html_text(model['pipeline'])}@{model['version']}</b> since {moment(model['deployed_at'])}"
    shown = [("Champion", answers)]
    if promotion is not None:
        action = str(promotion["action"]).replace("_", " ")
        entry = f"{action} by {promotion['by']} at {moment(promotion['at'])}: {promotion['why']}"
        shown.append(("On record", html_text(entry)))
    if model["metrics"]:
        values = ", ".join(f"{metric} {value:.4g}" for metric, value in model["metrics"].items())
        shown.append(("On the holdout", html_text(values)))
    return shown


def _challenger(model: Mapping[str, Any], mine: Figures) -> list[tuple[str, str]]:
    declared, shadowing = model["challenge"], model["challenger"]
    if declared is None and shadowing is None:
        return []
    number = shadowing if declared is None else declared["version"]
    shown = f"<b>{html_text(model['pipeline'])}@{number}</b>"
    if declared is not None:
        entry = f" by {declared['by']} at {moment(declared['at'])}{': ' if declared['why'] else ''}{declared['why']}"
        shown += html_text(entry)
    if shadowing != number:
        shown += f" {tag('does not shadow', good=False)}"
    if mine.shadows:
        shown += f"<br>Rows: {_counts(mine.shadows)}"
    return [("Challenger", shown)]


def _canary(model: Mapping[str, Any], mine: Figures) -> list[tuple[str, str]]:
    canary = model["canary"]
    if canary is None:
        return []
    shown = f"<b>{html_text(model['pipeline'])}@{canary['version']}</b> "
    if canary["taken_back"] is None:
        shown += f"answers {canary['share']:.4g} of the keys"
    else:
        shown += f"{tag('taken back', good=False)} {html_text(canary['taken_back'])}"
    rows = mine.canaries.get(str(canary["version"]))
    if rows:
        shown += f"<br>Rows: {_counts(rows)}"
    return [("Canary", shown)]


def _requests(mine: Figures) -> list[tuple[str, str]]:
    versions = ", ".join(f"{count:,} by version {version}" for version, count in sorted(mine.predictions.items()))
    refused = f", refused: {_codes(mine.refused)}" if mine.refused else ", none refused"
    return [
        ("Requests", f"{mine.answered:,} answered{html_text(refused)}"),
        ("Predictions", html_text(versions) or "none yet"),
        ("Log backlog", f"{mine.log_bytes / 1e6:,.1f} MB not in the lake yet"),
    ]


def _data(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [
        (
            html_text(row["table"]),
            html_text(moment(row["recorded_at"])),
            html_text(moment(row["filled_at"])),
            tag("newest rows", good=True) if row["is_newest"] else tag("older rows", good=False),
        )
        for row in rows
    ]
    return f"<h3>Online store</h3>{table(('table', 'newest rows in the lake', 'filled', 'the store has'), cells)}"


def _features(mine: Figures) -> str:
    if not mine.statuses:
        return ""
    cells = [
        (html_text(feature.removesuffix("__status")), html_text(_shares(counts)), _mean_age(mine.ages.get(feature)))
        for feature, counts in sorted(mine.statuses.items())
    ]
    return f"<h3>Looked-up features</h3>{table(('feature', 'statuses', 'mean age'), cells)}"


def _mean_age(ages: SecondsHistogram | None) -> str:
    return span(ages.seconds / ages.count) if ages is not None and ages.count else "–"


def _latency(mine: Figures) -> str:
    cells = [
        (
            html_text(name),
            f"{stage.count:,.0f}",
            f"{1e3 * stage.seconds / stage.count:,.2f} ms",
            _bound(stage.bound(0.5)),
            _bound(stage.bound(0.95)),
        )
        for name, stage in sorted(mine.stages.items(), key=lambda item: _STAGES.index(item[0]))
        if stage.count
    ]
    heads = ("stage", "requests", "mean", "half within", "95% within")
    return f"<h3>Latency by stage</h3>{table(heads, cells)}" if cells else ""


def _bound(seconds: float) -> str:
    return "over 1 s" if seconds == float("inf") else f"{1e3 * seconds:g} ms"


def _counts(counts: Mapping[str, int]) -> str:
    return html_text(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())))


def _codes(counts: Mapping[str, int]) -> str:
    return html_text(", ".join(f"{count:,} with {code}" for code, count in sorted(counts.items())))


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{status} {count / total:.1%}" for status, count in sorted(counts.items()))
