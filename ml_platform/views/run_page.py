"""Two runs as one page: it needs no other file, and all text on it is escaped."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ml_platform.escaping import html_text, one_line, page_without_script
from ml_platform.plots import runs as plots
from ml_platform.runtime.display import drawn_or_why_not
from ml_platform.views.run_comparison import Difference, Run

_LONGEST = 160  # characters of a cell
STYLE = """body{font:14px system-ui,sans-serif;color:#1f2933;margin:2em auto;max-width:1100px;padding:0 1em}
table{border-collapse:collapse;margin:.5em 0 1.5em}td,th{border-bottom:1px solid #e3e8ee;padding:.25em .8em;
text-align:left;vertical-align:top;min-width:5em}img{max-width:min(520px,100%)}
div{overflow-x:auto}td:nth-child(5){min-width:16em}"""


def page(first: Run, second: Run, lines: Sequence[Difference]) -> str:
    """The page that compares two runs."""
    names = [first.row["run"], second.row["run"]]
    title = f"Runs {names[0]} and {names[1]} of {first.row['pipeline']}"
    facts = ("name", "status", "partition", "actor", "started_at", "seconds", "tags", "changes", "metric", "value")
    parts = [
        f"<h1>{html_text(title)}</h1>",
        table(["", *names], ([name, first.row[name], second.row[name]] for name in facts)),
    ]
    for section in dict.fromkeys(line.section for line in lines):
        rows = ([line.name, line.first, line.second] for line in lines if line.section == section)
        parts += [f"<h2>{html_text(section.capitalize())}</h2>", table(["", *names], rows)]
    parts.append("<h2>Plots</h2>")
    parts += _plots(first, second)
    for run in (first, second):
        if run.verdicts:
            rows = ([v["gate"], v["slice"], v["outcome"], v.get("value"), v.get("detail", "")] for v in run.verdicts)
            parts += [f"<h2>Gates of {html_text(run.row['run'])}</h2>"]
            parts.append(table(["gate", "segment", "outcome", "value", ""], rows))
        parts += [f"<p>{html_text(note['actor'])}: {html_text(note['text'])}</p>" for note in run.notes]
    return page_without_script(title, STYLE, "".join(parts))


def _plots(first: Run, second: Run) -> Iterable[str]:
    for name in dict.fromkeys([*first.curves, *second.curves]):
        points = {run.row["run"]: run.curves[name] for run in (first, second) if run.curves.get(name)}
        yield picture(partial(plots.curves, name, points), name)
    compared = {run.row["run"]: _with_interval(run) for run in (first, second) if _with_interval(run)}
    if compared:
        metric = first.row["metric"] or second.row["metric"] or ""
        yield picture(partial(plots.segments, metric, compared), f"{metric} against the champion by segment")


def _with_interval(run: Run) -> list[Any]:
    return [row for row in run.comparisons if row["metric"] == run.row["metric"] and row["low"] is not None]


def picture(draw: Callable[[], bytes], shows: str) -> str:
    """A plot as an image within the page, or why there is none."""
    svg = drawn_or_why_not(draw)
    if isinstance(svg, str):
        return f"<p>{html_text(svg)}</p>"
    return f'<img alt="{html_text(shows)}" src="data:image/svg+xml;base64,{b64encode(svg).decode()}">'


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table whose cells are escaped."""
    head = "".join(f"<th>{html_text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{html_text(_text(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return one_line("; ".join(map(str, value)) if isinstance(value, list) else str(value), _LONGEST)
