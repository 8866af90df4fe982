"""Metadata values of steps and checks as Dagster shows them.

A step returns JSON values. A mapping whose only key is one of the following is rendered specially:

    {"picture": digest}   an SVG blob, within the page
    {"markdown": digest}  a text blob; {"text": "…"} the same for what no ledger keeps
    {"blob": digest}      its beginning, and where the blob lies
    {"path": "…"}  {"url": "http://…"}  {"run": run id}  {"asset": "group/name"}  {"time": ISO 8601}

Dagster's page shows Markdown at once below 1,000 characters, and behind a click from there on.
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs
from ml_platform.plots.markdown import listing

DIGITS = 6  # of a number that people read; the lake has them all


def shown(value: Any, blobs: Blobs) -> Any:
    """A value as Dagster metadata: lists of rows become tables, other lists and mappings JSON; numbers stay numbers."""
    match value:
        case dict() if len(value) == 1 and (word := next(iter(value))) in _WORDS and isinstance(value[word], str):
            return _WORDS[word](value[word], blobs)
        case [*rows] if rows and all(isinstance(row, dict) for row in rows):
            return dg.MetadataValue.md(listing(rows))  # Dagster's own tables cut what is wide
        case dict() | list() | tuple():
            return dg.MetadataValue.json(value)
        case float() if math.isfinite(value):
            return float(f"{value:.{DIGITS}g}")
    return value


def plots_first(display: Mapping[str, Any]) -> dict[str, Any]:
    """Plots and texts first: a page shows metadata in the given order."""
    first = [
        name
        for name, value in display.items()
        if isinstance(value, dict) and value.keys() & {"picture", "markdown", "text"}
    ]
    return {name: display[name] for name in dict.fromkeys([*first, *display])}


def _plot(digest: str, blobs: Blobs) -> Any:
    """The plot as an inline image, so that the page needs no other server."""
    try:
        data = base64.b64encode(blobs.get(digest).read_bytes()).decode()
    except BlobError as missing:
        return f"The plot cannot be shown: {missing}"
    return dg.MetadataValue.md(f"![plot](data:image/svg+xml;base64,{data})")


def _markdown(digest: str, blobs: Blobs) -> Any:
    try:
        return dg.MetadataValue.md(blobs.get(digest).read_text())
    except BlobError as missing:
        return f"The text cannot be shown: {missing}"


_WORDS: dict[str, Callable[[str, Blobs], Any]] = {
    "picture": _plot,
    "markdown": _markdown,
    "text": lambda text, _: dg.MetadataValue.md(text),
    "blob": lambda digest, blobs: f"{digest[:12]} in {blobs.path(digest).parent}",  # whole, it cuts its neighbours
    "path": lambda path, _: dg.MetadataValue.path(path),
    "url": lambda url, _: dg.MetadataValue.url(url) if url.startswith(("http://", "https://")) else url,
    "run": lambda run, _: dg.MetadataValue.dagster_run(run),
    "asset": lambda key, _: dg.MetadataValue.asset(dg.AssetKey(key.split("/"))),
    "time": lambda moment, _: dg.MetadataValue.timestamp(datetime.fromisoformat(moment)),
}
