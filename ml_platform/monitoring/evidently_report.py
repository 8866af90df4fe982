"""The Evidently report, drawn in a process of its own: with `evidently_widgets` the only file that imports Evidently.

Evidently takes five seconds to import and has pandas with it, so it stays out of the platform's
process: `report_worker` starts this module once and asks it for page after page. Frames come as
Parquet files, questions and answers as lines of JSON.
"""

import json
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.child_process import answer_questions
from ml_platform.errors import ReportError, first_line
from ml_platform.escaping import html_text, one_line, page_policy, script_json, with_policy

if TYPE_CHECKING:
    from evidently import Dataset, Report

SCORE, LABEL, DECISION = "predicted score", "true label", "predicted label"
PERFORMANCE = "model performance"
_OWN = (SCORE, LABEL, DECISION, PERFORMANCE)
_LONGEST = 80  # characters of a name on the page


def shown_names(names: Iterable[str], taken: Iterable[str] = _OWN) -> dict[str, str]:
    """Each column or category → its name on a page: a short line that is no tag, and none of `taken`.

    >>> shown_names(["km", "true label", "a\\nb"])
    {'km': 'km', 'true label': 'true label (2)', 'a\\nb': 'a b'}
    """
    shown: dict[str, str] = {}
    used = set(taken)
    for name in names:
        # Plotly reads tags in the text of a chart, also links; Evidently's own captions do not.
        line = (one_line(name, _LONGEST) or "(blank)").replace("<", "‹").replace(">", "›")
        numbered = (line if number == 1 else f"{line} ({number})" for number in count(1))
        shown[name] = next(one for one in numbered if one not in used)
        used.add(shown[name])
    return shown


def rendered(question: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a report; what came of it.

    The question: `reference` and `current` (Parquet files), `html` and `json` (where to write),
    `columns` (name → number or level, in the order of the page), `captions` (name on the page → the platform's figure),
    `task`, `performance` (whether the labels are good for it), `threshold` (PSI above which a column is called
    drifted), `title`, `heading` (HTML that stands above the charts) and `about` (kept in the JSON).

    The answer: `columns` shown, `drifted` among them in the sample, `left out` with the reason for each column
    that Evidently cannot draw, `performance` (shown or not) and, if it should have been, `why not`.
    """
    import pandas as pd

    frames = [pd.read_parquet(question[side]) for side in ("current", "reference")]
    kinds, performance, left_out, why_not = dict(question["columns"]), bool(question["performance"]), [], ""
    try:
        snapshot = _run(frames, kinds, question, performance)
    except Exception as first:  # whatever a column or the labels did to it: find out which, and go on without
        for name in list(kinds):
            if problem := _problem(frames, name, kinds[name], question):
                left_out.append({"column": name, "status": problem})
                del kinds[name]
        try:
            if not left_out and performance:
                raise first
            snapshot = _run(frames, kinds, question, performance)
        except Exception as second:
            if not performance:
                raise
            performance, why_not = False, first_line(second)
            snapshot = _run(frames, kinds, question, performance)
    metrics = snapshot.dict()
    drifted = sum(_psi(metrics, name) > question["threshold"] for name in kinds)
    answer = {"columns": len(kinds), "drifted": drifted, "left out": left_out, "performance": performance}
    if why_not:
        answer["why not"] = why_not
    html = _headed(snapshot.get_html_str(as_iframe=False), question["title"], question["heading"])
    Path(question["html"]).write_text(html, encoding="utf-8")
    result = {**question["about"], **answer, "metrics": metrics["metrics"]}
    Path(question["json"]).write_text(json.dumps(_plain(result), indent=1, allow_nan=False))
    return answer


def _run(frames: Sequence[Any], kinds: Mapping[str, str], question: Mapping[str, Any], performance: bool) -> Any:
    """An Evidently snapshot: the scores first, then performance, then every column."""
    from ml_platform.monitoring.evidently_widgets import Performance

    report, datasets = _report([], frames, kinds, question, performance)
    metrics: list[Any] = [_drift_of(SCORE, question)]
    if performance:
        metrics.append(Performance(PERFORMANCE, question["captions"].get(PERFORMANCE, ""), question["task"]))
    report.metrics = [*metrics, *(_drift_of(name, question) for name in kinds)]
    return report.run(*datasets)


def _report(
    metrics: list[Any], frames: Sequence[Any], kinds: Mapping[str, str], question: Mapping[str, Any], performance: bool
) -> "tuple[Report, list[Dataset]]":
    from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Regression, Report

    tasks: dict[str, Any] = {}
    if performance and question["task"] == "regression":
        tasks["regression"] = [Regression(target=LABEL, prediction=SCORE)]
    elif performance and question["task"] == "binary":
        tasks["classification"] = [
            BinaryClassification(target=LABEL, prediction_labels=DECISION, prediction_probas=SCORE, pos_label=1)
        ]
    elif performance:
        tasks["classification"] = [MulticlassClassification(target=LABEL, prediction_labels=DECISION)]
    definition = DataDefinition(
        numerical_columns=[*(name for name, kind in kinds.items() if kind == "number"), SCORE],
        categorical_columns=[name for name, kind in kinds.items() if kind == "level"],
        **tasks,
    )
    datasets = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
    return Report(metrics, include_tests=False), datasets


def _drift_of(column: str, question: Mapping[str, Any]) -> Any:
    from ml_platform.monitoring.evidently_widgets import ColumnDrift

    return ColumnDrift(column, question["captions"].get(column, ""), question["threshold"])


def _problem(frames: Sequence[Any], name: str, kind: str, question: Mapping[str, Any]) -> str:
    """What Evidently says of one column alone; empty when it can draw it."""
    try:
        report, datasets = _report([_drift_of(name, question)], frames, {name: kind}, question, performance=False)
        report.run(*datasets)
    except Exception as error:
        return first_line(error)
    return ""


def _psi(metrics: Mapping[str, Any], column: str) -> float:
    for metric in metrics["metrics"]:
        config = metric.get("config", {})
        if config.get("type", "").endswith("ValueDrift") and config.get("column") == column:
            return float(metric["value"])
    return 0.0


def _headed(html: str, title: str, heading: str) -> str:
    """Evidently's page with a title for the tab and a heading above the charts, and its data as nothing but data.

    Evidently writes the data into a script element, where `</script>` in a category ends it. Each of the two values
    is JSON on a line of its own: a line break in a text is `\\n` there, so no text reaches beyond its line.
    After that, all scripts are Evidently's, and the policy of the page names them by their hashes.
    """
    html, values = _DATA.subn(lambda match: match[1] + script_json(match[2]), html)
    scripts = _SCRIPT.findall(html)
    if (values, len(scripts)) != (2, _SCRIPTS) or "<script" in _SCRIPT.sub("", html):
        raise ReportError(
            "Evidently wrote a page of a form that is not known, so it cannot be shown safely.",
            remedy="Install the version of Evidently that requirements.lock names.",
        )
    html = html.replace("<head>", f"<head><title>{html_text(title)}</title>", 1)
    html = html.replace("<body>", f"<body>{heading}", 1)
    return with_policy(html, page_policy(scripts))


_DATA = re.compile(r"^( *var (?:additional_graphs_)?metric_[0-9a-f]{32} = )(.*)$", re.MULTILINE)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_SCRIPTS = 4  # the data, a name for the window, the library, the call that draws


def _plain(value: Any) -> Any:
    """As JSON has it: numbers of numpy as numbers, NaN and infinity as nothing, keys as text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def main() -> None:
    """Answer questions until there are no more."""
    warnings.simplefilter("ignore")
    import ml_platform.monitoring.evidently_widgets  # noqa: F401  # loaded before the first question, whose time is limited

    answer_questions(_answer)


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return rendered(question)
    except Exception as error:  # whatever Evidently raises costs one page, not the process
        return {"error": f"{type(error).__name__}: {first_line(error)}"}


if __name__ == "__main__":
    main()
