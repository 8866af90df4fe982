"""A model card as a page: one file, no script, nothing from elsewhere; readable on a phone, and printed."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import groupby

from ml_platform.escaping import html_text, page_without_script
from ml_platform.naming import counted
from ml_platform.plots.importance import importance
from ml_platform.plots.intervals import Estimate, intervals
from ml_platform.plots.months import Month, by_month
from ml_platform.runtime.display import drawn_or_why_not
from ml_platform.views.model_card import wording as say
from ml_platform.views.model_card.card import ModelCard
from ml_platform.views.model_card.sections import Section, sections

_MOST_PLOTS = 6  # of segments: a measure each
_LONG = 40  # rows of a table that is shown folded

STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #1f2933; margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem }
h1 { font-size: 1.6rem; margin: 0 0 .25rem }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; padding-top: 1rem; border-top: 1px solid #e3e8ee }
p { margin: 0 0 .7rem; max-width: 50rem; overflow-wrap: anywhere }
.quiet, dt { color: #5b6774 }
nav { columns: 14rem; margin: 1.2rem 0 0 }
nav a { display: block; color: #1d4ed8; text-decoration: none; padding: .1rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0 }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0 }
li { overflow-wrap: anywhere; margin: .2rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid #e3e8ee; vertical-align: baseline }
th { font-weight: 600; color: #5b6774; font-size: .85rem }
td { overflow-wrap: anywhere; min-width: 4em }
code { font: 12.5px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
summary { cursor: pointer; color: #1d4ed8; margin: .4rem 0 }
.bad td:last-child, .bad .outcome { color: #991b1b; font-weight: 600 }
.verdict { display: flex; flex-wrap: wrap; gap: .5rem; margin: .8rem 0 0; padding: 0; list-style: none }
.verdict li { border: 1px solid #e3e8ee; border-radius: 6px; padding: .3rem .7rem; margin: 0 }
.verdict b { font-size: 1.05rem }
img { max-width: 100%; height: auto; margin: .6rem 1rem .2rem 0; vertical-align: top }
@media (max-width: 44rem) {
  body { padding: 1.25rem 1rem }
  dl { grid-template-columns: 1fr; gap: 0 }
  dd { margin-bottom: .5rem }
  thead { display: none }
  table, tbody, tr, td { display: block }
  tr { border: 1px solid #e3e8ee; border-radius: 6px; margin: 0 0 .75rem; padding: .35rem .75rem }
  td { border: 0; padding: .1rem 0; min-width: 0 }
  td:empty { display: none }
  td[data-label]:not([data-label=""])::before { content: attr(data-label) ": "; color: #5b6774 }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0 }
  nav, summary { display: none }
  h2 { break-after: avoid }
  tr, img, li { break-inside: avoid }
  thead { display: table-header-group }
}
@page { margin: 16mm }
"""


def page(card: ModelCard, links: str = "") -> str:
    """The whole page. `links`: HTML that stands above the title, such as the way back on the page of a service."""
    shown = sections(card)
    contents = "".join(f'<a href="#s{n}">{html_text(one.title)}</a>' for n, one in enumerate(shown))
    plots = _plots(card)
    body = [
        links,
        f"<h1>{html_text(card.name)}</h1>",
        f"<p>{html_text(card.description)}</p>" if card.description else "",
        _summary(card),
        _facts(card),
        f"<nav>{contents}</nav>",
    ]
    for number, section in enumerate(shown):
        body.append(f'<h2 id="s{number}">{html_text(section.title)}</h2>{plots.get(section.title, "")}{_body(section)}')
    return page_without_script(f"Model card of {card.name}", STYLE, "".join(body))


def _summary(card: ModelCard) -> str:
    """What one wants to know first: whether it serves, its gates, its metric, whether it can be made again."""
    judged = [gate for gate in card.gates if not gate.segment]
    failed = sum(gate.outcome == "failed" for gate in judged)
    headline = next((one for one in card.metrics if one.name == card.target.headline), None)
    facts = {
        "serves": card.so_far.serves if card.so_far else "",
        "gates": f"{counted(failed, 'gate')} of {len(judged)} failed" if failed else f"none of {len(judged)} failed",
        "training again": {True: "same bytes", False: "other bytes", None: "not tried"}[card.reproduction.identical],
    }
    if headline is not None:
        ends = "" if headline.low is None else f" ({say.between(headline.low, headline.high)})"
        facts[headline.name] = f"{say.number(headline.value)}{ends}"
    items = (f"<li>{html_text(name)}<br><b>{html_text(value)}</b></li>" for name, value in facts.items() if value)
    return f'<ul class="verdict">{"".join(items)}</ul>'


def _facts(card: ModelCard) -> str:
    rows = (
        f"<dt>{html_text(name)}</dt><dd>{_code(value) if name in ('Training set', 'Bundle') else html_text(value)}</dd>"
        for name, value in say.facts(card).items()
    )
    return f"<dl>{''.join(rows)}</dl>"


def _code(text: str) -> str:
    return f"<code>{html_text(text)}</code>"


def _body(section: Section) -> str:
    note = f'<p class="quiet">{html_text(section.note)}</p>' if section.note else ""
    items = "".join(f"<li>{html_text(item)}</li>" for item in section.items)
    listed = f"<ul>{items}</ul>" if items else ""
    table = _table(section) if section.rows else ""
    if len(section.rows) > _LONG:
        table = f"<details open><summary>{counted(len(section.rows), 'row')}</summary>{table}</details>"
    return f"{note}{table}{listed}"


def _table(section: Section) -> str:
    labels = [html_text(head) for head in section.heads]
    first = "".join(f"<th>{label}</th>" for label in labels)
    plain = not all(labels)  # a table of names and values needs no labels on a phone
    rows = []
    for number, row in enumerate(section.rows):
        cells = []
        for column, (label, text) in enumerate(zip(labels, row, strict=True)):
            shown = _code(text) if column in section.code else html_text(text)
            named = ' class="outcome"' if label == "outcome" else ""
            cells.append(f'<td{named} data-label="{"" if plain else label}">{shown}</td>')
        kind = ' class="bad"' if number in section.bad else ""
        rows.append(f"<tr{kind}>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{first}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _plots(card: ModelCard) -> dict[str, str]:
    """Section → its plots, as HTML."""
    shares = {one.name: one.importance for one in card.features if one.importance is not None}
    plots = {}
    if shares:
        plots["Features"] = _picture(lambda: importance(shares), "importance of the features")
    if card.comparison is not None:
        plots["Metrics by segment"] = "".join(_segments(card))
        plots["Gaps between segments"] = "".join(_gaps(card))
    if card.so_far is not None:
        metric = card.target.headline
        months = [
            Month(one.partition, one.value, one.low, one.high, card.version)
            for one in card.so_far.realised
            if one.metric == metric and one.role == "champion" and one.value is not None
        ]
        if len(months) > 1:
            drawn = _picture(lambda: by_month(metric, months), f"{metric} by partition")
            plots["Realised performance so far"] = drawn
    return plots


def _segments(card: ModelCard) -> Iterator[str]:
    assert card.comparison is not None
    metric = card.target.headline
    whole = next((one.value for one in card.metrics if one.name == metric), None)
    mine = [one for one in card.comparison.segments if one.metric == metric and one.value is not None]
    for column, rows in groupby(mine, key=lambda one: one.column):
        estimates = [Estimate(one.segment, one.value or 0.0, one.low, one.high) for one in rows]
        title = f"{metric} by {column}"
        yield _picture(_drawing(estimates, title, whole), title)


def _gaps(card: ModelCard) -> Iterator[str]:
    assert card.comparison is not None
    known = [one for one in card.comparison.gaps if one.value is not None and one.measure.endswith("rate")]
    for number, ((column, measure), rows) in enumerate(groupby(known, key=lambda one: (one.column, one.measure))):
        if number >= _MOST_PLOTS:
            return
        shown = [(one.segment, one.reference, one.value or 0.0, one.low, one.high) for one in rows]
        estimates = [Estimate(segment, value, low, high) for segment, _, value, low, high in shown]
        title = f"{measure} by {column}, minus that of {shown[0][1]}"
        yield _picture(_drawing(estimates, title, 0.0), title)


def _drawing(estimates: list[Estimate], title: str, line: float | None) -> Callable[[], bytes]:
    return lambda: intervals(estimates, title, line)


def _picture(draw: Callable[[], bytes], shows: str) -> str:
    svg = drawn_or_why_not(draw)
    if isinstance(svg, str):
        return f'<p class="quiet">{html_text(svg)}</p>'
    return f'<img alt="{html_text(shows)}" src="data:image/svg+xml;base64,{b64encode(svg).decode()}">'
