"""Lists reports: as rows, and as an index page that links to them."""

from html import escape
from typing import Any

from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.results import ReportResult

INDEX = "index.html"
_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #1f2933; margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.5rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
p { color: #6b7785; margin: 0 0 1.75rem; max-width: 46rem }
a { color: #2563eb; text-decoration: none }
a:hover { text-decoration: underline }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .5rem .75rem; border-bottom: 1px solid #e3e8ee; white-space: nowrap }
th { font-weight: 600; color: #6b7785; font-size: .85rem; vertical-align: bottom }
th.text, td.text { text-align: left }
td.over { color: #b45309; font-weight: 600 }
.bar { display: inline-block; width: 6rem; height: .55rem; background: #e3e8ee; border-radius: 2px; margin-left: .6rem }
.bar { vertical-align: middle; text-align: left }
.bar i { display: block; height: 100%; background: #2563eb; border-radius: 2px }
td.over .bar i { background: #e07b00 }
"""


def reports(ws: Workspace, pipeline: ModelPipeline) -> list[dict[str, Any]]:
    """Every existing report, by partition. Missing figures are None."""
    rows = []
    for (_, partition), record in sorted(ledger.latest(ws.state, f"{pipeline.name}/report").items()):
        files = [ws.settings.data / name for name in record.files]
        if not files or not all(path.exists() for path in files):
            continue
        figures = record.result_as(ReportResult)
        paths = {path.suffix: str(path.resolve()) for path in files}
        rows.append(
            {
                "pipeline": pipeline.name,
                "partition": partition,
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
    """The index page: one line per report, newest first, with the figures used for decisions."""
    drift, metric = pipeline.drift, pipeline.headline
    lines = "".join(_line(row, drift.weighted, drift.score) for row in reversed(rows))
    heads = "".join(
        f'<th class="{kind}">{escape(text)}</th>'
        for kind, text in (
            ("text", "partition"),
            ("text", "champion"),
            ("", "rows"),
            ("", f"weighted drift (at most {drift.weighted:g})"),
            ("", f"score PSI (at most {drift.score:g})"),
            ("", metric),
            ("", ""),
        )
    )
    about = escape(pipeline.description or "")
    return _page(
        f"Reports of {pipeline.name}",
        f"<h1>{escape(pipeline.name)}</h1><p>{about} Each page compares a partition with the training data of the "
        "champion that scored it. The figures here cover all rows, those in a page a sample.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>",
    )


def overview_page(names: dict[str, str]) -> str:
    """Links to the pages of several pipelines: name → description."""
    lines = "".join(
        f'<tr><td class="text"><a href="{escape(name)}/{INDEX}">{escape(name)}</a></td>'
        f'<td class="text">{escape(about)}</td></tr>'
        for name, about in names.items()
    )
    return _page("Reports", f"<h1>Reports</h1><p>By pipeline.</p><table><tbody>{lines}</tbody></table>")


def _line(row: dict[str, Any], weighted: float, score: float) -> str:
    link = f"{escape(row['partition'])}/report.html"
    return (
        f'<tr><td class="text"><a href="{link}">{escape(row["partition"])}</a></td>'
        f'<td class="text">{escape(row["champion"] or "–")}</td><td>{_number(row["rows"])}</td>'
        f"{_bar(row['weighted_drift'], weighted)}{_bar(row['score_psi'], score)}"
        f'<td>{_number(row["realised"])}</td><td><a href="{escape(row["partition"])}/report.json">JSON</a></td></tr>'
    )


def _bar(value: float | None, threshold: float) -> str:
    """A cell with the value and a bar that is half full at the threshold."""
    if value is None:
        return "<td>–</td>"
    width = min(100.0, 50 * value / threshold)
    over = ' class="over"' if value > threshold else ""
    return f'<td{over}>{value:.3f}<span class="bar"><i style="width:{width:.0f}%"></i></span></td>'


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
