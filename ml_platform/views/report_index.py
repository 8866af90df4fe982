"""Lists reports: as rows, and as an index page that links to them."""

from typing import Any

from ml_platform.escaping import html_text, page_without_script
from ml_platform.runtime.workspace import Workspace, recorded
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.results import ReportResult

INDEX = "index.html"
_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #1f2933; margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.5rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem }
p { color: #6b7785; margin: 0 0 1.25rem; max-width: 46rem }
a { color: #2563eb; text-decoration: none }
a:hover { text-decoration: underline }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .5rem .75rem; border-bottom: 1px solid #e3e8ee; vertical-align: baseline }
th { font-weight: 600; color: #6b7785; font-size: .85rem; vertical-align: bottom }
th.text, td.text { text-align: left }
td { overflow-wrap: anywhere }
.over { color: #b45309; font-weight: 600 }
.bar { display: inline-block; width: 6rem; height: .55rem; background: #e3e8ee; border-radius: 2px; margin-left: .6rem }
.bar { vertical-align: middle; text-align: left }
.bar i { display: block; height: 100%; background: #2563eb; border-radius: 2px }
.over .bar i { background: #e07b00 }
@media (max-width: 44rem) {
  body { padding: 1.25rem 1rem }
  thead { display: none }
  table, tbody, tr, td { display: block }
  tr { border: 1px solid #e3e8ee; border-radius: 6px; margin: 0 0 .75rem; padding: .35rem .75rem }
  td, td.text { border: 0; padding: .15rem 0; text-align: left }
  td[data-label]::before { content: attr(data-label) ": "; color: #6b7785; font-weight: 400 }
}
"""


def reports(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Every existing report, by partition. Missing figures are None.

    `alarms` names the drift checks that failed; `judged` is False where there was too little to judge.
    """
    rows, drifts = [], ledger.latest(ws.state, f"{pipeline.name}/drift")
    for (_, partition), record in sorted(ledger.latest(ws.state, f"{pipeline.name}/report").items()):
        files = [ws.settings.data / name for name in record.files]
        if not files or not all(path.exists() for path in files):
            continue
        figures = record.result_as(ReportResult)
        drift = drifts.get((f"{pipeline.name}/drift", partition))
        checks = recorded(ws, drift).checks if drift else ()
        paths = {path.suffix: str(path.resolve()) for path in files}
        rows.append(
            {
                "pipeline": pipeline.name,
                "partition": partition,
                "alarms": [check.name.replace("_", " ") for check in checks if not check.passed],
                "judged": any(check.value is not None for check in checks),
                "champion": f"{pipeline.name}@{figures.champion}" if figures.champion else None,
                "rows": figures.rows,
                "weighted_drift": figures.weighted_drift,
                "score_psi": figures.score_psi,
                "metric": pipeline.headline,
                "realised": figures.realised if figures.metric == pipeline.headline else None,
                "html": paths[".html"],
                "json": paths[".json"],
                "url": figures.url,
                "made_at": record.recorded_at,
            }
        )
    return rows


def index_page(pipeline: ModelPipeline, rows: list[dict[str, Any]]) -> str:
    """The index page: the newest report, then those with an alarm, then all others, each newest first."""
    newest, earlier = rows[::-1][:1], rows[::-1][1:]
    parts = {
        "Newest": newest,
        "Earlier, with an alarm": [row for row in earlier if row["alarms"]],
        "Earlier": [row for row in earlier if not row["alarms"]],
    }
    about = html_text(pipeline.description or "")
    tables = "".join(f"<h2>{title}</h2>{_table(pipeline, part)}" for title, part in parts.items() if part)
    return _page(
        f"Reports of {pipeline.name}",
        f"<h1>{html_text(pipeline.name)}</h1><p>{about} Each page compares a "
        "partition with the training data of the champion that scored it. Alarms and figures are of all rows; the "
        f"charts of a page are drawn from a sample of up to {pipeline.drift.report_rows:,} rows.</p>"
        f"{tables or '<p>There is no report yet.</p>'}",
    )


def _table(pipeline: ModelPipeline, rows: list[dict[str, Any]]) -> str:
    drift = pipeline.drift
    heads = ("partition", "alarm", "champion", "rows", *_bounded(drift.weighted, drift.score), pipeline.headline, "")
    texts = {"partition", "alarm", "champion"}
    row_of_heads = "".join(f'<th class="{"text" if one in texts else ""}">{html_text(one)}</th>' for one in heads)
    lines = "".join(_line(row, drift.weighted, drift.score) for row in rows)
    return f"<table><thead><tr>{row_of_heads}</tr></thead><tbody>{lines}</tbody></table>"


def _bounded(weighted: float, score: float) -> tuple[str, str]:
    return f"weighted drift (at most {weighted:g})", f"score PSI (at most {score:g})"


def overview_page(pipelines: dict[str, tuple[str, list[dict[str, Any]]]]) -> str:
    """Links to the pages of several pipelines: name → description and reports. Alarms of the newest first."""
    ordered = sorted(pipelines.items(), key=lambda item: (not _alarms(item[1][1]), not item[1][1], item[0]))
    lines = "".join(
        f'<tr><td class="text"><a href="{html_text(name)}/{INDEX}">{html_text(name)}</a></td>'
        f'<td class="text" data-label="newest">{html_text(rows[-1]["partition"]) if rows else "none yet"}</td>'
        f"{_alarm_cell(_alarms(rows), judged=bool(rows) and rows[-1]['judged'])}"
        f'<td class="text">{html_text(about)}</td></tr>'
        for name, (about, rows) in ordered
    )
    heads = "".join(f'<th class="text">{head}</th>' for head in ("pipeline", "newest", "alarm", ""))
    return _page(
        "Reports",
        f"<h1>Reports</h1><p>By pipeline, alarms first.</p><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table>",
    )


def _alarms(rows: list[dict[str, Any]]) -> list[str]:
    """The alarms of the newest report."""
    return list(rows[-1]["alarms"]) if rows else []


def _line(row: dict[str, Any], weighted: float, score: float) -> str:
    folder, (weighted_head, score_head) = html_text(row["partition"]), _bounded(weighted, score)
    return (
        f'<tr><td class="text"><a href="{folder}/report.html">{folder}</a></td>'
        f"{_alarm_cell(row['alarms'], judged=row['judged'])}"
        f'<td class="text" data-label="champion">{html_text(row["champion"] or "–")}</td>'
        f'<td data-label="rows">{_number(row["rows"])}</td>'
        f"{_bar(row['weighted_drift'], weighted, weighted_head, judged=row['judged'])}"
        f"{_bar(row['score_psi'], score, score_head, judged=row['judged'])}"
        f'<td data-label="{html_text(row["metric"])}">{_number(row["realised"])}</td>'
        f'<td><a href="{folder}/report.json">JSON</a></td></tr>'
    )


def _alarm_cell(alarms: list[str], *, judged: bool) -> str:
    if alarms:
        return f'<td class="text over" data-label="alarm">{html_text(", ".join(alarms))}</td>'
    return f'<td class="text" data-label="alarm">{"none" if judged else "not judged"}</td>'


def _bar(value: float | None, threshold: float, head: str, *, judged: bool) -> str:
    """A cell with the value and a bar that is half full at the threshold, in another colour above it if it counts."""
    label = f' data-label="{html_text(head)}"'
    if value is None:
        return f"<td{label}>–</td>"
    width = min(100.0, 50 * value / threshold)
    over = ' class="over"' if judged and value > threshold else ""
    return f'<td{over}{label}>{value:.3f}<span class="bar"><i style="width:{width:.0f}%"></i></span></td>'


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _page(title: str, body: str) -> str:
    return page_without_script(title, _STYLE, body)
