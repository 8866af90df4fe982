"""HTML for Jupyter. Every text is escaped, and a picture is an image, so that data cannot become markup."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from ml_platform.escaping import html_text, one_line
from ml_platform.runtime.display import drawn_or_why_not

LONGEST = 80  # characters of a cell


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head row.

    >>> table(["zone"], [["<b>hill</b>"]])
    '<table><thead><tr><th>zone</th></tr></thead><tbody><tr><td>&lt;b&gt;hill&lt;/b&gt;</td></tr></tbody></table>'
    """
    head = "".join(f"<th>{html_text(text(cell))}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{html_text(text(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def paragraph(words: str) -> str:
    """A line of text."""
    return f"<p>{html_text(words)}</p>"


def block(title: str, *parts: str) -> str:
    """Parts that are HTML already, under a title, which is text."""
    return f"<div><h4>{html_text(title)}</h4>{''.join(parts)}</div>"


def picture(draw: Callable[[], bytes], *, shows: str) -> str:
    """The SVG that `draw` gives as an image; a sentence where it cannot be drawn. `shows` is its text for readers."""
    svg = drawn_or_why_not(draw)
    if isinstance(svg, str):
        return paragraph(svg)
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    return f'<img alt="{html_text(shows)}" src="{source}">'


def text(value: Any) -> str:
    """A value on one line of at most LONGEST characters: nothing as a dash, numbers short, moments to the minute."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return one_line(str(value), LONGEST)
