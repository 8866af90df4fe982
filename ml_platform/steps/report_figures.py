"""The figures of a report: the champion's, of all rows, from the tables and from the verdict on its drift."""

from dataclasses import dataclass
from typing import Any

from ml_platform.lake.pruning import rows_of
from ml_platform.monitoring.evidently_report import PERFORMANCE, SCORE, shown_names
from ml_platform.monitoring.report_heading import Figure, heading
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime.workspace import Workspace, recorded
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.results import ReportResult
from ml_platform.steps.drift import ROLE


@dataclass(frozen=True)
class Figures:
    """The champion's figures in the partition, from the tables."""

    version: int
    columns: dict[str, str]  # name → number or level: those above the threshold, then those that matter most
    captions: dict[str, str]  # name on the page → the figure of all rows, also of the score and the performance
    reference_rows: int
    alarms: list[str]  # a sentence for every drift check that failed
    passed: list[str]  # and for every other
    unreadable: list[dict[str, str]]
    beyond: int  # columns that matter less, and are not drawn
    result: ReportResult

    def shown(self, pipeline: ModelPipeline) -> dict[str, Any]:
        """The figures by their labels; those that there are."""
        labelled = {
            "champion": f"{pipeline.name}@{self.version}",
            "rows": self.result.rows,
            "weighted drift": self.result.weighted_drift,
            "score psi": self.result.score_psi,
            self.result.metric: self.result.realised,
        }
        return {name: value for name, value in labelled.items() if value is not None}


def figures_of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Figures | None:
    """The figures of a partition; None when no champion scored it."""
    rows = ws.lake.rows(
        "SELECT version, feature, kind, status, psi, importance, rows, reference_rows FROM "
        f"{rows_of(ws.lake, pipeline.name, 'drift', partition)} WHERE role = ? "
        'ORDER BY importance * least(psi, 1) DESC NULLS LAST, importance DESC NULLS LAST, "feature"',
        [ROLE],
    )
    scored = next((row for row in rows if row[2] == "weighted"), None)
    if scored is None or scored[0] is None:
        return None
    number = int(scored[0])
    bound = pipeline.drift.feature
    columns, figures, unreadable = {}, {}, []
    for _, name, kind, status, psi, importance, _, _ in rows:
        if kind in ("number", "level") and psi is not None:
            columns[name] = kind
            figures[name] = f"{_psi(psi, bound)}; {importance or 0:.0%} of the importance"
        elif kind not in ("weighted", "score"):
            unreadable.append({"column": name, "status": status})
    limit = pipeline.drift.report_columns
    metric = pipeline.headline
    performance = ws.lake.rows(
        f"SELECT value FROM {rows_of(ws.lake, pipeline.name, 'performance', partition)} "
        "WHERE role = ? AND version = ? AND sliced_by = '' AND metric = ?",
        [ROLE, number, metric],
    )
    scores = [row[4] for row in rows if row[2] == "score" and row[4] is not None]
    result = ReportResult(
        champion=number,
        rows=scored[6],
        weighted_drift=scored[4],
        score_psi=max(scores, default=None),
        metric=metric,
        realised=performance[0][0] if performance else None,
    )
    kept = dict(list(columns.items())[:limit])
    over = {name for _, name, _, _, psi, importance, _, _ in rows if psi is not None and psi > bound and importance}
    ordered = dict(sorted(kept.items(), key=lambda column: column[0] not in over))
    captions = {page_name: figures[name] for name, page_name in shown_names(ordered).items()}
    if scores:
        which = "the largest of a class: " if len(scores) > 1 else ""
        captions[SCORE] = which + _psi(max(scores), pipeline.drift.score)
    if result.realised is not None:
        figure = f"{metric} {_short(result.realised)} of all rows with a label; below, of the sample"
        captions[PERFORMANCE] = figure
    checks = _drift_checks(ws, pipeline, partition)
    return Figures(
        version=number,
        columns=ordered,
        captions=captions,
        reference_rows=scored[7],
        alarms=[check.description for check in checks if not check.passed],
        passed=[check.description for check in checks if check.passed],
        unreadable=unreadable,
        beyond=len(columns) - len(kept),
        result=result,
    )


def _drift_checks(ws: Workspace, pipeline: ModelPipeline, partition: str) -> tuple[CheckResult, ...]:
    """The platform's verdict on the partition's drift, as the drift step recorded it."""
    last = ledger.latest_of(ws.state, f"{pipeline.name}/drift", partition)
    return () if last is None else recorded(ws, last).checks


def _psi(value: float, bound: float) -> str:
    return f"PSI {value:.3f} of all rows, {'above' if value > bound else 'within'} {bound:g}"


def heading_of(pipeline: ModelPipeline, partition: str, figures: Figures, sample_sentence: str) -> str:
    """The head of the page, as HTML."""
    result, drift = figures.result, pipeline.drift
    named = [
        ("rows", result.rows, ""),
        ("weighted drift", result.weighted_drift, f"{drift.weighted:g}"),
        ("score PSI", result.score_psi, f"{drift.score:g}"),
        (f"{result.metric} of all rows with a label", result.realised, ""),
    ]
    return heading(
        pipeline.name,
        partition,
        f"{pipeline.name}@{figures.version}",
        figures.alarms,
        figures.passed,
        [Figure(name, _short(value), bound) for name, value, bound in named if value is not None],
        sample_sentence,
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
