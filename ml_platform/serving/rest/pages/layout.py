"""How a page of the service looks: one file, no scripts, nothing from elsewhere; on a phone each row is a card."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ml_platform.escaping import html_text, page_without_script

_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #1f2933; margin: 0 auto; max-width: 66rem; padding: 2rem 1.5rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
h2 { font-size: 1.2rem; margin: 2rem 0 .25rem; padding-top: 1rem; border-top: 1px solid #e3e8ee }
h3 { font-size: .95rem; margin: 1.1rem 0 .3rem }
p { margin: 0 0 .6rem; max-width: 50rem; overflow-wrap: anywhere }
.quiet, dt { color: #5b6774 }
a { color: #1d4ed8; text-decoration: none }
a:hover { text-decoration: underline }
nav a { display: inline-block; margin: 0 1.1rem .35rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .6rem 0 }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0 }
table + p { margin-top: .9rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid #e3e8ee; vertical-align: baseline }
th { font-weight: 600; color: #5b6774; font-size: .85rem }
td { overflow-wrap: anywhere; min-width: 5em }
td b { overflow-wrap: break-word }
code, pre { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { white-space: pre-wrap; margin: 0 }
.tag { border-radius: 4px; padding: .05rem .45rem; font-size: .85rem; font-weight: 600; white-space: nowrap }
.ok { background: #dcfce7; color: #166534 }
.bad { background: #fee2e2; color: #991b1b }
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
"""


def page(title: str, body: str) -> str:
    """A whole page of a title and the HTML of its body."""
    return page_without_script(title, _STYLE, body)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already. `heads` are text: the first row, and the labels of cells on a phone."""
    labels = [html_text(head) for head in heads]
    first = "".join(f"<th>{label}</th>" for label in labels)
    lines = "".join(
        "<tr>"
        + "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in zip(labels, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{first}</tr></thead><tbody>{lines}</tbody></table>"


def facts(items: Iterable[tuple[str, str]]) -> str:
    """A list of names, which are text, and what belongs to each, which is HTML already."""
    return f"<dl>{''.join(f'<dt>{html_text(name)}</dt><dd>{value}</dd>' for name, value in items)}</dl>"


def links(targets: Iterable[tuple[str, str]]) -> str:
    """A row of links: text and address of each."""
    return "<nav>" + "".join(f'<a href="{html_text(to)}">{html_text(text)}</a>' for text, to in targets) + "</nav>"


def tag(text: str, *, good: bool) -> str:
    """A word on a colour: green, or red."""
    return f'<span class="tag {"ok" if good else "bad"}">{html_text(text)}</span>'


def moment(text: str | None, now: datetime | None = None) -> str:
    """A stored time and how long ago that is.

    >>> moment("2026-03-01T10:00:00+00:00", datetime(2026, 3, 1, 13, 30, tzinfo=UTC))
    '2026-03-01 10:00 UTC (3.5 hours ago)'
    """
    if text is None:
        return "–"
    then = datetime.fromisoformat(text).astimezone(UTC)
    return f"{then:%Y-%m-%d %H:%M} UTC ({span(((now or datetime.now(UTC)) - then).total_seconds())} ago)"


def span(seconds: float) -> str:
    """A length of time in words.

    >>> span(40), span(61), span(5400), span(3 * 86400)
    ('40 seconds', '1 minute', '1.5 hours', '3 days')
    """
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return _counted(round(seconds / length, 1), unit)
    return _counted(max(0, round(seconds)), "second")


def _counted(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
